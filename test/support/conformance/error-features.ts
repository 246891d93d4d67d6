import { expect } from 'bun:test'
import type { Combination } from './cell.ts'
import { type Feature, seeing, user } from './feature.ts'

export const errorFeatures: readonly Feature[] = [
  {
    name: { en: 'Context overflow, in the words clients compact on', zh: '上下文溢出，用客户端据以压缩的说法' },
    async check({ ask, asked, dialect }) {
      const failure = await failureOf(ask({ model: seeing, turns: [{ user: 'the '.repeat(400_000) }] }))
      expectOverflow(failure, dialect)
      expect(asked()).toBe(0)
    },
  },
  {
    name: { en: 'Rate limit, with `retry-after`', zh: '速率限制，附 `retry-after`' },
    async check({ ask, say, dialect }) {
      say('busy')
      const failure = await failureOf(ask({ turns: [{ user }] }))
      const said = { gemini: /"status":"RESOURCE_EXHAUSTED"/, 'ollama-chat': /Z\.AI/ }
      const words = said[dialect as keyof typeof said] ?? { type: 'rate_limit_error' }
      expectError(failure, dialect, 429, words)
      // Google's package keeps no headers; the body says it, too.
      if (dialect === 'gemini') expect(String(failure)).toMatch(/"retryDelay":"[1-9]\d*s"/)
      else expect(headerOf(failure, 'retry-after')).toMatch(/^[1-9]\d*$/)
    },
  },
  {
    name: { en: 'Cut connection is an error', zh: '连接中断即报错' },
    async check({ ask, say, stream }) {
      say('cut')
      const failure = await failureOf(ask({ turns: [{ user }] }))
      expect(String(failure)).toContain('before the answer was complete')
      if (!stream) expect(failure).toMatchObject({ status: 502 })
    },
  },
  {
    name: { en: 'Failure in the middle is an error', zh: '中途失败即报错' },
    async check({ ask, say, stream }) {
      say('broken')
      const failure = await failureOf(ask({ turns: [{ user }] }))
      expect(String(failure)).toContain('Z.AI could not answer')
      if (!stream) expect(failure).toMatchObject({ status: 502 })
    },
  },
  {
    name: { en: 'Unknown fields are let be', zh: '容忍未知字段' },
    async check({ ask, say }) {
      say({ text: 'Cold.' })
      const received = await ask({ turns: [{ user }], unheardOf: { a_field_of_tomorrow: { deep: [1, null] } } })
      expect(received.text).toBe('Cold.')
    },
  },
  {
    name: { en: 'Unknown model is refused by name', zh: '未知模型指名拒绝' },
    async check({ ask, asked, dialect }) {
      const failure = await failureOf(ask({ model: 'llama-3', turns: [{ user }] }))
      const words = {
        'anthropic-messages': { type: 'not_found_error' },
        gemini: /"status":"NOT_FOUND"/,
        'ollama-chat': /llama-3/,
      }
      const expected = words[dialect as keyof typeof words] ?? { code: 'model_not_found' }
      expectError(failure, dialect, 404, expected)
      expect(String(failure)).toContain('llama-3')
      expect(asked()).toBe(0)
    },
  },
]

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it should have failed')
    },
    (failure: unknown) => failure,
  )
}

function expectOverflow(failure: unknown, dialect: Combination['dialect']): void {
  if (dialect === 'anthropic-messages') {
    const message = expect.stringMatching(/^prompt is too long/)
    expectError(failure, dialect, 413, { type: 'request_too_large', message })
  } else if (dialect === 'gemini')
    expectError(failure, dialect, 400, /The input token count \(\d+\) exceeds the maximum number of tokens/)
  else if (dialect === 'ollama-chat') expectError(failure, dialect, 400, /context|too long|longer/i)
  else expectError(failure, dialect, 400, { code: 'context_length_exceeded' })
}

/** The vendors' packages differ in where they put the error's members; Google's has the whole body as its message. */
function expectError(
  failure: unknown,
  dialect: Combination['dialect'],
  status: number,
  words: Record<string, unknown> | RegExp,
): void {
  if (words instanceof RegExp) {
    expect(failure).toMatchObject({ status })
    expect(String(failure)).toMatch(words)
  } else if (dialect === 'anthropic-messages')
    expect(failure).toMatchObject({ status, error: { type: 'error', error: words } })
  else expect(failure).toMatchObject({ status, ...words })
}

function headerOf(failure: unknown, name: string): string | null {
  const headers = typeof failure === 'object' && failure !== null ? Reflect.get(failure, 'headers') : undefined
  return headers instanceof Headers ? headers.get(name) : null
}
