import { expect } from 'bun:test'
import { systemLookup } from '../../src/http-client/dns.ts'
import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'
import { apiUpstream } from '../support/api-upstream.ts'
import { type DialectViewName, dialectViews, type View, viewOf } from '../support/client-view.ts'
import { type Play, streamHead } from '../support/raw-upstream.ts'
import { chunkText } from '../support/zai-api.ts'

export const plantedKey = 'planted.upstream-key'

/** How an upstream writes an answer down. */
export interface WireFormat {
  say(text: string): string
  end: string
  /** A refusal in place of the stream, and what becomes of it. */
  refusal: object
}

const frame = (data: object) => `data: ${JSON.stringify(data)}\n\n`

export const wireFormats = {
  'zai-api': {
    say: (content) => `data: ${chunkText({ delta: { content } })}\n\n`,
    end: `data: ${chunkText({ finish_reason: 'stop', usage: { prompt_tokens: 9, completion_tokens: 4 } })}\n\ndata: [DONE]\n\n`,
    refusal: { error: { code: '1210', message: 'Invalid API parameter' } },
  },
  'zai-web': {
    say: (text) => frame({ type: 'chat:completion', data: { phase: 'answer', delta_content: text } }),
    end: `${frame({ type: 'chat:completion', data: { phase: 'done', done: true, delta_content: '' } })}data: [DONE]\n\n`,
    refusal: { error: { code: 'INVALID', detail: 'no such parameter' } },
  },
} satisfies Record<string, WireFormat>

export const begun = (format: WireFormat) => format.say('Hello') + format.say(' there.')
export const answerOf = (format: WireFormat) => begun(format) + format.end

/** A stream whose body ends where the connection does, unless a header says otherwise. */
export function whole(bytes: string | Uint8Array, ...headers: string[]): Play {
  return async (line) => {
    await line.write(streamHead(...headers))
    await line.write(bytes)
    line.close()
  }
}

export const running: { stop(): unknown }[] = []

export async function stopAll() {
  for (const thing of running.splice(0)) await thing.stop()
}

export const api = (origin: string, idleMs = 5_000) =>
  apiUpstream({ origin, key: plantedKey, fetch: losslessFetch(fetch, systemLookup), idleMs })

export async function ask({ url }: { url: string }, name: DialectViewName, stream: boolean): Promise<View> {
  const dialectView = dialectViews[name]
  const body = JSON.stringify({ model: 'glm-4.7', ...dialectView.body, stream })
  const response = await fetch(url + dialectView.path, { method: 'POST', body })
  const view = await viewOf(dialectView, response)
  expect(view).toMatchObject({ endings: 1, endedLast: true })
  return view
}
