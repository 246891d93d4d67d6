import { expect } from 'bun:test'
import type { MeteredCall } from '../../src/core/call-meter.ts'
import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'
import { modelTable } from '../../src/models/table.ts'
import type { RequestRecord } from '../../src/observe/record.ts'
import { createCounter } from '../../src/tokens/request-counter.ts'
import { loadVocabulary } from '../../src/tokens/vocabulary.ts'
import { apiUpstream } from '../support/api-upstream.ts'
import { startGateway } from '../support/gateway.ts'
import { keysInMemory } from '../support/keys-in-memory.ts'
import { chunk, type Line, lastChunk, type Play, startRawUpstream, streamHead } from '../support/raw-upstream.ts'
import { chatRoute, chunkText, scriptedApi } from '../support/zai-api.ts'

// Whatever becomes of a reply on its way to the client, its key pays for what the upstream has billed.

export const table = modelTable()
const key = 'key-1'
export const messages = [{ role: 'user', content: 'Tell me all about the lighthouses of Riga, please.' }]
export let countText: (text: string) => number
export let promptTokens: number

export const closing: (() => unknown)[] = []

export async function closeAll() {
  for (const close of closing.splice(0).reverse()) await close()
}

interface HouseOptions {
  origin?: string
  key?: object
  route?: string
}

/** A gateway with one client key, in front of an upstream that plays these, one for each request. */
export async function house(plays: Play[], { origin, key: more = {}, route = chatRoute }: HouseOptions = {}) {
  const upstream = await startRawUpstream({ route, others: scriptedApi([key]).fetch })
  const left = [...plays]
  upstream.play((line) => left.shift()?.(line))
  const { served, warnings, close } = await keysInMemory({ table })
  const records: RequestRecord[] = []
  const calls: Pick<MeteredCall, 'usage'>[] = []
  const fetchUpstream = losslessFetch(fetch, async () => [{ address: '127.0.0.1' }])
  const zai = apiUpstream({ origin: origin ?? upstream.origin, key, fetch: fetchUpstream, idleMs: 5_000 })
  const gateway = startGateway([zai], {
    access: { openaiKey: 'sk-operator' },
    keys: {
      ...served,
      ledger: {
        ...served.ledger,
        spendingOf(record) {
          const spending = served.ledger.spendingOf(record)
          return (
            spending && {
              reserve(call) {
                calls.push(call.meter)
                return spending.reserve(call)
              },
            }
          )
        },
      },
    },
    trace: (record) => records.push(record),
  })
  closing.push(async () => {
    await gateway.stop()
    await close()
    upstream.stop()
    expect(warnings).toEqual([])
  })
  const { secret } = await served.keys.create({ name: 'a', budget: 'tokens:500k/day', ...more })
  const leaving = new AbortController()
  const post = (body: object, headers: Record<string, string> = {}, path = '/v1/chat/completions') =>
    fetch(gateway.url + path, {
      ...{ method: 'POST', signal: leaving.signal },
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'glm-4.7', messages, ...body }),
    })
  return {
    post,
    calls,
    records,
    upstream,
    leave: () => leaving.abort(),
    /** Once every request is settled. */
    async spent() {
      const budget = async () => (await served.keys.show('a')).budgets[0] ?? { spent: -1, reserved: -1 }
      while ((await budget()).reserved !== 0) await new Promise((resolve) => setImmediate(resolve))
      return (await budget()).spent
    },
  }
}

const sse = (facts: Parameters<typeof chunkText>[0]) => chunk(`data: ${chunkText(facts)}\n\n`)
export const begins = (line: Line) => line.write(streamHead('transfer-encoding: chunked'))

/** Plays a reply to its end, or in part and then nothing more. */
export function playing(
  facts: Parameters<typeof chunkText>[0][],
  ending: 'ends' | 'goes on' | 'breaks off' = 'ends',
): Play {
  return async (line) => {
    await begins(line)
    for (const fact of facts) await line.write(sse(fact))
    if (ending === 'goes on') return
    if (ending === 'ends') await line.write(chunk('data: [DONE]\n\n') + lastChunk)
    line.close()
  }
}

export const usage = (prompt_tokens: number, completion_tokens: number) => ({ prompt_tokens, completion_tokens })
export const stops = (counts?: object) => ({ finish_reason: 'stop', ...(counts ? { usage: counts } : {}) })
export const words = (n: number, from = 0) => Array.from({ length: n }, (_, at) => `word${from + at} `)
export const answering = (texts: string[]) => texts.map((content) => ({ delta: { content } }))
export const reasoning = (texts: string[]) => texts.map((reasoning_content) => ({ delta: { reasoning_content } }))

export async function countPrompt() {
  countText = createCounter(await loadVocabulary()).countText
  const { post } = await house([])
  promptTokens = (await (await post({ max_tokens: 9 }, {}, '/v1/messages/count_tokens')).json()).input_tokens
  for (const close of closing.splice(0).reverse()) await close()
}
