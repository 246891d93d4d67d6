import { describe, expect, test } from 'bun:test'
import { callMeter, type MeteredCall } from '../../../src/core/call-meter.ts'
import { runTransform } from '../../../src/core/transform.ts'
import { decoder } from '../../../src/upstreams/zai-web/decode.ts'
import type { DecodeOptions } from '../../../src/upstreams/zai-web/decoded-reply.ts'
import { characterMeter } from '../../support/bills.ts'
import { answer, done, heardOf, open, optionsWith, part, textOf, thinking } from './decoding.ts'

describe('what is counted', () => {
  const counted = (frames: string[], meter: MeteredCall = characterMeter(), more: Partial<DecodeOptions> = {}) => {
    meter.sent()
    const deltas = runTransform(decoder(optionsWith({ meter, ...more })), frames)
    return { deltas, usage: meter.usage() }
  }

  test('is text once, however often an edit repeats it, also before it is sent', () => {
    const written = `${open}\n> Let me see.`
    const frames = [
      thinking(`${open}\n> Let me`),
      thinking(' see.'),
      part({ phase: 'answer', edit_index: 32, edit_content: 'true">\n> Let me see.\n</details>\nHello' }),
    ]
    const { usage } = counted(frames)
    const shown = `${written.slice(0, 32)}true">\n> Let me see.\n</details>\nHello`
    expect(usage).toEqual({ inputTokens: 10, outputTokens: shown.length })
  })

  test('is for the prompt what tools have found, and for the reply how they were called', () => {
    const frames = [
      part({ phase: 'tool_call', delta_name: 'search', delta_arguments: '{"q":', metadata: { tool_call_id: 'c' } }),
      part({ phase: 'tool_call', delta_arguments: '"ra"}', metadata: { tool_call_id: 'c' } }),
      part({ phase: 'tool_response', tool_name: 'search', delta_content: 'found', metadata: { tool_call_id: 'c' } }),
      answer('Rain.'),
    ]
    expect(counted(frames).usage).toEqual({
      inputTokens: 10 + 'found'.length,
      outputTokens: 'search{"q":"ra"}Rain.'.length,
    })
  })

  test('is the usage of the site where it sends one, whatever comes behind it', () => {
    const usage = part({ phase: 'other', usage: { prompt_tokens: 500, completion_tokens: 600 } })
    expect(counted([answer('Hello'), usage, answer(' world'), done()]).usage).toEqual({
      inputTokens: 500,
      outputTokens: 600,
    })
  })

  test('is nothing of a reply that is refused', () => {
    const refusal = part({ done: true, error: { code: 'INTERNAL_ERROR', detail: 'Oops' } })
    expect(counted([refusal]).usage).toBeUndefined()
  })

  test('ends a reply that is held back once it has more than is paid for', () => {
    const limit = { tokens: 1_000, pieceLength: 100 }
    const meter = callMeter({ upstream: 'u', model: 'm', inputTokens: 10, countTokens: (text) => text.length, limit })
    const frames = Array.from({ length: 200 }, () => answer('0123456789'.repeat(2)))
    const { deltas } = counted([...frames, done()], meter, { whole: true })
    expect(heardOf(deltas)).toMatchObject({ finish: 'length', last: 'finish' })
    expect(textOf(deltas).length).toBeLessThan(1_000 + 120)
    expect(meter.usage()?.outputTokens).toBeLessThan(1_000 + 120)
  })
})
