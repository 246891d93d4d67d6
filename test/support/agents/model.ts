import { eventStream, fieldOf } from '../chat-zai.ts'
import { type ChunkFacts, chatRoute, chunks, chunkText, fault, refusal, scriptedApi } from '../zai-api.ts'

/** What the model does when it is asked: speaks, fails, or refuses. */
export type Turn =
  | Said
  | { breaksOff: string }
  | { refuses: readonly [status: number, code: string, message: string]; retryAfterSeconds?: number }

export interface Said {
  think?: string
  say?: string
  calls?: readonly Call[]
  /** What the API claims to have counted. */
  promptTokens?: number
}

export interface Call {
  name: string
  input: object
}

/** Requests beside the conversation, such as for a title, are answered out of turn. */
export interface Aside {
  when(asked: Asked): boolean
  turn: Turn
}

/** One completion request, as far as scripts look at it. */
export interface Asked {
  messages: unknown[]
  /** Names of the functions that are offered. */
  tools: string[]
  /** `reasoning_content` of earlier turns. */
  reasoning: string[]
  /** Of tool calls, as text. */
  results: string[]
  /** Addresses of images. */
  images: string[]
  /** Of the last message. */
  lastText: string
  /** `reasoning_effort`. */
  effort: string | undefined
}

export type Script = readonly (Turn | ((asked: Asked) => Turn))[]

const key = 'agents-key-1'

/** The official API on loopback with a model that follows a script, one turn a request. */
export function scriptedModel(script: Script, asides: readonly Aside[] = []) {
  const turns = [...script]
  const asked: Asked[] = []
  const complaints: string[] = []
  const api = scriptedApi([key], ({ body }) => {
    const request = read(body)
    const aside = asides.find(({ when }) => when(request))
    if (aside) return reply(aside.turn, 'aside')
    asked.push(request)
    const turn = turns.shift()
    if (turn === undefined) {
      complaints.push(`request ${asked.length} is not in the script: ${request.lastText.slice(0, 200)}`)
      return reply({ say: 'The script is over.' }, 'over')
    }
    return reply(typeof turn === 'function' ? turn(request) : turn, `${asked.length}`)
  })
  const { baseUrl, stop } = api.listen()

  return {
    env: { ZAI_API_KEY: key, ZAI_API_BASE: baseUrl },
    /** The conversation's requests, oldest first; without those aside. */
    asked,
    /** What a real API would have minded, what was not in the script, and what of it was not played. */
    async complaints(): Promise<string[]> {
      const faults = await Promise.all(api.to(chatRoute).map(({ body }) => fault(body)?.text()))
      const strangers = api.seen.filter((seen) => seen.key !== key)
      return [
        ...complaints,
        ...faults.flatMap((text) => (text === undefined ? [] : [text])),
        ...strangers.map(({ route, headers }) => `${route} with ${headers.authorization}`),
        ...turns.map(() => 'a turn of the script was not played'),
      ]
    },
    [Symbol.dispose]: stop,
  }
}

function read(body: unknown): Asked {
  const messages = list(fieldOf(body, 'messages'))
  return {
    messages,
    tools: list(fieldOf(body, 'tools')).flatMap((tool) => texts(fieldOf(fieldOf(tool, 'function'), 'name'))),
    reasoning: messages.flatMap((message) => texts(fieldOf(message, 'reasoning_content'))),
    results: messages.flatMap((message) =>
      fieldOf(message, 'role') === 'tool' ? texts(fieldOf(message, 'content')) : [],
    ),
    images: messages.flatMap((message) =>
      list(fieldOf(message, 'content')).flatMap((part) => texts(fieldOf(fieldOf(part, 'image_url'), 'url'))),
    ),
    effort: texts(fieldOf(body, 'reasoning_effort'))[0],
    lastText: textIn(fieldOf(messages.at(-1), 'content')),
  }
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function textIn(content: unknown): string {
  return typeof content === 'string'
    ? content
    : list(content)
        .map((part) => fieldOf(part, 'text') ?? '')
        .join('')
}

function texts(value: unknown): string[] {
  return typeof value === 'string' ? [value] : []
}

/** `name` keeps the ids of calls apart. */
function reply(turn: Turn, name: string): Response {
  if ('refuses' in turn) {
    const response = refusal(...turn.refuses)
    if (turn.retryAfterSeconds !== undefined) response.headers.set('retry-after', String(turn.retryAfterSeconds))
    return response
  }
  if ('breaksOff' in turn) {
    const error = JSON.stringify({ error: { code: '1234', message: 'Network error, please try again later.' } })
    return eventStream(`data: ${chunkText({ delta: { content: turn.breaksOff } })}\n\ndata: ${error}\n\n`)
  }
  const { think, say, calls = [], promptTokens = 900 } = turn
  return chunks(
    ...pieces(think).map((reasoning_content): ChunkFacts => ({ delta: { reasoning_content } })),
    ...pieces(say).map((content): ChunkFacts => ({ delta: { content } })),
    ...calls.flatMap(({ name: tool, input }, index): ChunkFacts[] =>
      pieces(JSON.stringify(input)).map((piece, at) => ({
        delta: {
          tool_calls: [
            at === 0
              ? { index, id: `call_${name}_${index}`, type: 'function', function: { name: tool, arguments: piece } }
              : { index, function: { arguments: piece } },
          ],
        },
      })),
    ),
    {
      finish_reason: calls.length > 0 ? 'tool_calls' : 'stop',
      usage: { prompt_tokens: promptTokens, completion_tokens: 40, total_tokens: promptTokens + 40 },
    },
  )
}

/** As it would come over the wire: in two halves. */
function pieces(text = ''): string[] {
  const middle = Math.ceil(text.length / 2)
  return [text.slice(0, middle), text.slice(middle)].filter((piece) => piece !== '')
}
