import { readdirSync, readFileSync } from 'node:fs'
import { pipe } from '../../../src/core/batch-stream.ts'
import { asGatewayError } from '../../../src/core/errors.ts'
import type { Delta, WebSource } from '../../../src/core/events.ts'
import { channels } from '../../../src/prompted-tools/channels.ts'
import { decoder } from '../../../src/upstreams/zai-web/decode.ts'
import type { DecodeOptions } from '../../../src/upstreams/zai-web/decoded-reply.ts'
import { emptyResponse } from '../../../src/upstreams/zai-web/errors.ts'
import { sseDeltas } from '../../../src/wire/event-stream.ts'
import { manualClock } from '../../support/clock.ts'
import { readAll } from '../../support/read-all.ts'

/** An opened wrapper. */
export const open = '<details type="reasoning" done="false">'

const folder = new URL('../../golden/zai-web/', import.meta.url)

/** The expected result of a recording; `content_links` if the answer has citation marks. */
export interface Expected {
  reasoning?: string
  content?: string
  content_links?: string
  raw_buffer?: string
  declared_tools?: string[]
  server_tools?: { id: string; name: string; arguments: string }[]
  citations?: { ref_id: string; title: string; url: string }[]
  usage?: { prompt_tokens: number; completion_tokens: number; prompt_tokens_details: { cached_tokens: number } } | null
  error?: { gateway_code: string; gateway_status: number }
  ended_by: 'done' | '[DONE]' | 'eof' | 'error'
}

export const cases = readdirSync(folder)
  .filter((name) => readdirSync(new URL(name, folder)).includes('expected.json'))
  .map((name) => ({
    name,
    bytes: new Uint8Array(readFileSync(new URL(`${name}/upstream.sse`, folder))),
    expected: JSON.parse(readFileSync(new URL(`${name}/expected.json`, folder), 'utf8')) as Expected,
  }))

export function optionsWith(options: Partial<DecodeOptions>): DecodeOptions {
  return { whole: true, declaredTools: new Set(), annotate: () => {}, ...options }
}

export function part(data: object): string {
  return JSON.stringify({ type: 'chat:completion', data })
}

export function answer(text: string): string {
  return part({ phase: 'answer', delta_content: text })
}

export function thinking(text: string): string {
  return part({ phase: 'thinking', delta_content: text })
}

export function edit(index: number, text: string, phase = 'answer'): string {
  return part({ phase, edit_index: index, edit_content: text })
}

export function done(): string {
  return part({ phase: 'done', done: true })
}

/** The prose of every step: what one frame brought. */
export function steps(frames: readonly string[], options: Partial<DecodeOptions>): string[][] {
  const machine = decoder(optionsWith(options))
  return frames.map((frame) => {
    const out: Delta[] = []
    machine.push(frame, out)
    return out.flatMap((delta) => ('text' in delta ? [delta.text] : []))
  })
}

export async function decoded(bytes: Uint8Array, size: number, options: Partial<DecodeOptions>): Promise<Delta[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const step = Math.min(size, bytes.length)
      for (let at = 0; at < bytes.length; at += step) controller.enqueue(bytes.slice(at, at + step))
      controller.close()
    },
  })
  const read = sseDeltas(body, {
    label: 'Z.AI',
    decoder: decoder(optionsWith(options)),
    clock: manualClock(),
    signal: new AbortController().signal,
    idleMs: 1000,
  })
  const source = pipe(
    read,
    channels({ tools: [], scanLimit: 0, frames: false, whole: false, empty: emptyResponse, annotate() {} }),
  )
  return await readAll(source)
}

export function textOf(deltas: readonly Delta[]): string {
  return proseOf(deltas).text
}

export function proseOf(deltas: readonly Delta[]): { text: string; reasoning: string } {
  const prose = { text: '', reasoning: '' }
  for (const delta of deltas) if (delta.type === 'text' || delta.type === 'reasoning') prose[delta.type] += delta.text
  return prose
}

export function heardOf(deltas: readonly Delta[]) {
  const prose = proseOf(deltas)
  const tools = deltas.flatMap((delta) => (delta.type === 'server-tool' ? [delta.tool] : []))
  const failed = deltas.find((delta) => delta.type === 'error')
  return {
    text: tidy(prose.text),
    reasoning: tidy(prose.reasoning),
    tools: tools.map(({ id, name, arguments: args }) => ({ id, name, arguments: args })),
    sources: tools.flatMap((tool): WebSource[] => tool.sources),
    usage: deltas.find((delta) => delta.type === 'usage')?.usage,
    error: failed && asGatewayError(failed.error).code,
    finish: deltas.find((delta) => delta.type === 'finish')?.reason,
    last: deltas.at(-1)?.type,
  }
}

export function tidy(text: string): string {
  return text.trim().replace(/\n{3,}/g, '\n\n')
}
