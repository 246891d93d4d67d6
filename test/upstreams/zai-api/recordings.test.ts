import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { decoded, heardOf } from './decoding.ts'

const folder = new URL('../../golden/zai-api/', import.meta.url)

/** The expected result of a recording; `content_links` if the answer has citation marks. */
interface Expected {
  reasoning: string
  content: string
  content_links?: string
  tool_calls: { id: string; name: string; arguments: object }[]
  web_search?: { refer: string; title: string; link: string }[]
  usage?: {
    prompt_tokens: number
    completion_tokens: number
    prompt_tokens_details: { cached_tokens: number }
    completion_tokens_details?: { reasoning_tokens: number }
  }
  finish_reason?: string
  error?: { gateway_status: number }
}

const cases = readdirSync(folder)
  .sort()
  .map((name) => ({
    name,
    bytes: new Uint8Array(readFileSync(new URL(`${name}/upstream.sse`, folder))),
    expected: JSON.parse(readFileSync(new URL(`${name}/expected.json`, folder), 'utf8')) as Expected,
  }))

test('the recordings are found', () => expect(cases.map(({ name }) => name)).toContain('tool-stream'))

describe('every recording gives its expected result', () => {
  for (const { name, bytes, expected } of cases)
    test.each([1, 2, 3, 7, 64, Number.POSITIVE_INFINITY])(`${name}, in reads of %d bytes`, async (size) => {
      expect(heardOf(await decoded(bytes, size))).toEqual(wanted(expected))
    })
})

const finishOf: Record<string, string> = {
  stop: 'stop',
  tool_calls: 'tool-calls',
  length: 'length',
  model_context_window_exceeded: 'context-window',
  sensitive: 'content-filter',
}

function wanted({ reasoning, content, content_links, tool_calls, web_search, usage, finish_reason, error }: Expected) {
  const status = error?.gateway_status ?? (finish_reason === 'network_error' ? 502 : undefined)
  return {
    reasoning,
    text: content_links ?? content,
    calls: tool_calls,
    sources: (web_search ?? []).map(({ refer, title, link }) => ({ refId: refer, title, url: link })),
    usage:
      usage && status === undefined
        ? {
            inputTokens: usage.prompt_tokens,
            outputTokens: usage.completion_tokens,
            cachedInputTokens: usage.prompt_tokens_details.cached_tokens,
            ...(usage.completion_tokens_details
              ? { reasoningTokens: usage.completion_tokens_details.reasoning_tokens }
              : {}),
          }
        : undefined,
    finish: status === undefined ? finishOf[finish_reason ?? ''] : undefined,
    error: status,
  }
}
