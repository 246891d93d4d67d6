import type { Upstream } from '../../../src/core/upstream.ts'
import { apiUpstream } from '../api-upstream.ts'
import { chatZai, completionRoute, eventStream, fieldOf, frames, json } from '../chat-zai.ts'
import { manualClock } from '../clock.ts'
import { nobodyWaits } from '../pool.ts'
import { webUpstream } from '../web-gateway.ts'
import { type ChunkFacts, chatRoute, chunks, chunkText, origin, refusal, scriptedApi } from '../zai-api.ts'

/** What the model does next, in nobody's words yet. */
export type Saying =
  | { text: string; thinks?: string; calls?: { name: string; args: object }[]; source?: string }
  /** Falls silent in the middle of a sentence and closes. */
  | 'cut'
  /** Says in the middle of a sentence that it cannot go on. */
  | 'broken'
  /** Takes no more calls at the moment. */
  | 'busy'

/** What the model was told, as far as it is looked at here. */
export interface Told {
  /** All words of the conversation, the model's own and its reasoning among them. */
  words: string
  images: number
  tools: (name: string) => boolean
  sampling: { temperature: unknown; topP: unknown }
  searches: boolean
}

/** An upstream with its scripted server: the real translation between them, no socket. */
export interface Backend {
  upstream: Upstream
  /** The next replies, one each; the last one is repeated. */
  say(...sayings: Saying[]): void
  /** The newest request. */
  told(): Told
  /** How many requests came. */
  asked(): number
}

export const counted = { input: 1_300, cached: 300, output: 70 }

export const backends = { 'zai-api': apiBackend, 'zai-web': webBackend } satisfies Record<string, () => Backend>

const usage = {
  prompt_tokens: counted.input,
  completion_tokens: counted.output,
  total_tokens: counted.input + counted.output,
  prompt_tokens_details: { cached_tokens: counted.cached },
}

/** Sayings, one a reply. */
function script() {
  let waiting: Saying[] = [{ text: 'Hello there.' }]
  return {
    set: (...sayings: Saying[]) => {
      waiting = sayings
    },
    next(): Saying {
      const [saying = 'cut', ...rest] = waiting
      if (rest.length > 0) waiting = rest
      return saying
    },
  }
}

function apiBackend(): Backend {
  const { set, next } = script()
  // Behind `complete` the server looks for what the real one would refuse.
  const api = scriptedApi(['key-1'], ({ body }) => apiReply(next(), Number(fieldOf(body, 'max_tokens') ?? Infinity)))
  const body = () => api.to(chatRoute).at(-1)?.body
  return {
    // A clock that stands still: nothing takes too long, however much else the machine does.
    upstream: apiUpstream({
      origin,
      key: 'key-1',
      fetch: api.fetch,
      idleMs: 5_000,
      clock: manualClock(),
      queue: nobodyWaits,
    }),
    say: set,
    asked: () => api.to(chatRoute).length,
    told() {
      const words = JSON.stringify(fieldOf(body(), 'messages'))
      const tools = JSON.stringify(fieldOf(body(), 'tools') ?? [])
      return {
        words,
        images: words.split('"image_url":').length - 1,
        tools: (name) => tools.includes(`"name":"${name}"`),
        sampling: { temperature: fieldOf(body(), 'temperature'), topP: fieldOf(body(), 'top_p') },
        searches: tools.includes('"web_search":'),
      }
    },
  }
}

/** The API keeps to `max_tokens` by itself; here a word is a token. */
function apiReply(saying: Saying, maxTokens: number): Response {
  const half = chunkText({ delta: { content: 'Half of a sentence that never' } })
  if (saying === 'busy') return refusal(429, '1302', 'Rate limit reached')
  if (saying === 'cut') return eventStream(`data: ${half}\n\n`)
  if (saying === 'broken')
    return eventStream(`data: ${half}\n\ndata: {"error":{"code":"1234","message":"Network error"}}\n\n`)
  const { text, thinks, calls = [], source } = saying
  const words = text.split(' ')
  const isCut = words.length > maxTokens
  const said: ChunkFacts[] = [
    ...(source === undefined ? [] : [{ web_search: [{ refer: 'ref_1', title: 'A page', link: source }] }]),
    ...(thinks === undefined ? [] : [{ delta: { reasoning_content: thinks } }]),
    ...(isCut ? words.slice(0, maxTokens) : words).map((word, at) => ({
      delta: { content: at > 0 ? ` ${word}` : word },
    })),
    ...(source === undefined ? [] : [{ delta: { content: ' [ref_1]' } }]),
    ...calls.map(({ name, args }, index) => ({
      delta: {
        tool_calls: [
          { id: `call_of_api_${index}`, index, type: 'function', function: { name, arguments: JSON.stringify(args) } },
        ],
      },
    })),
  ]
  const finish_reason = isCut ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop'
  return chunks(...said, { finish_reason, usage })
}

function webBackend(): Backend {
  const { set, next } = script()
  const site = chatZai()
  const tokens = [site.addAccount('Alice')]
  const clock = manualClock()
  const url = 'https://chat.z.ai'
  const upstream = webUpstream({ url, fetch: site.fetch, tokens, idleMs: 5_000, queue: nobodyWaits, clock })
  // More than a call can take with all its retries.
  for (let reply = 0; reply < 20; reply++) site.script(completionRoute, () => webReply(next()))
  const body = () => site.to(completionRoute).at(-1)?.body
  return {
    upstream,
    say: set,
    asked: () => site.to(completionRoute).length,
    told() {
      const words = String(fieldOf(body(), 'signature_prompt'))
      const files = fieldOf(body(), 'files')
      const params = fieldOf(body(), 'params')
      return {
        words,
        images: Array.isArray(files) ? files.length : 0,
        tools: (name) => words.includes(`"name":"${name}"`),
        sampling: { temperature: fieldOf(params, 'temperature'), topP: fieldOf(params, 'top_p') },
        searches: fieldOf(fieldOf(body(), 'features'), 'web_search') === true,
      }
    },
  }
}

/** The site heeds no limit and has no tools: calls are told in its text. */
function webReply(saying: Saying): Response {
  const half = { phase: 'answer', delta_content: 'Half of a sentence that never' }
  if (saying === 'busy') return json({ detail: 'Too many requests' }, 429)
  if (saying === 'cut') return eventStream(`data: ${JSON.stringify({ type: 'chat:completion', data: half })}\n\n`)
  if (saying === 'broken')
    return frames(half, { done: true, error: { code: 'INTERNAL_ERROR', detail: 'Network error' } })
  const { text, thinks, calls = [], source } = saying
  const words = text.split(/(?<= )/)
  return frames(
    ...(thinks === undefined ? [] : [{ phase: 'thinking', delta_content: thinks }]),
    ...(source === undefined ? [] : searched(source)),
    ...[...words, source === undefined ? '' : '【turn0search0】', ...calls.map(callText)].map((piece) => ({
      phase: 'answer',
      delta_content: piece,
    })),
    { phase: 'other', usage },
    { phase: 'done', done: true, delta_content: '' },
  )
}

function callText({ name, args }: { name: string; args: object }): string {
  return `\n<tool_call>${JSON.stringify({ name, arguments: args })}</tool_call>`
}

function searched(source: string): object[] {
  const metadata = { tool_call_id: 'call_a1b2', type: 'function' }
  return [
    { phase: 'tool_call', delta_name: 'search', delta_arguments: '{"search_query":[{"q":"news"}]}', metadata },
    {
      phase: 'tool_response',
      tool_name: 'search',
      delta_content: `[ref_id=turn0search0†A page†${source}]\nNews.`,
      metadata,
    },
  ]
}
