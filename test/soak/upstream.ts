import { fieldOf } from '../support/chat-zai.ts'
import { costlyCases, costlyReplies } from '../support/costly.ts'
import { chunkText } from '../support/zai-api.ts'

// A separate process: a fake of the official API on the given port, which answers with numbers at the requested pace.
// `GET /open` returns the number of running replies.

/** The prompt of a client whose schema takes long to judge: which of the cases. */
export interface Costly {
  costly: number
}

/** The prompt of a client whose reply is much to read: which of them. */
export interface Flood {
  reply: number
}

/** The prompt: how many numbers, and how long between two. */
export interface Recital {
  numbers: number
  everyMs: number
}

const utf8 = new TextEncoder()
const event = (facts: Parameters<typeof chunkText>[0]) => utf8.encode(`data: ${chunkText(facts)}\n\n`)
let open = 0

function recital({ numbers, everyMs }: Recital): ReadableStream<Uint8Array> {
  let next = 0
  let timer: Timer | undefined
  open++
  let here = true
  const leave = () => {
    if (here) open--
    here = false
    clearInterval(timer)
  }
  return new ReadableStream({
    start(controller) {
      timer = setInterval(() => {
        if (next < numbers) return controller.enqueue(event({ delta: { content: `${next++} ` } }))
        controller.enqueue(event({ finish_reason: 'stop', usage: { prompt_tokens: 9, completion_tokens: numbers } }))
        controller.enqueue(utf8.encode('data: [DONE]\n\n'))
        controller.close()
        leave()
      }, everyMs)
    },
    cancel: leave,
  })
}

function isPrompt(message: unknown): boolean {
  const content = fieldOf(message, 'content')
  return fieldOf(message, 'role') === 'user' && typeof content === 'string' && content.startsWith('{')
}

function answerTo({ costly }: Costly): Blob {
  const said = event({ delta: { content: costlyCases[costly]?.answer ?? '' } })
  const end = event({ finish_reason: 'stop', usage: { prompt_tokens: 9, completion_tokens: 9 } })
  return new Blob([said, end, 'data: [DONE]\n\n'])
}

function floodOf({ reply }: Flood): Blob {
  const { events = '', text = '', delta = { content: `Hello! ${text}` } } = costlyReplies[reply] ?? {}
  const said = event({ delta })
  return new Blob([events, said, event({ finish_reason: 'stop' }), 'data: [DONE]\n\n'])
}

function replyTo(prompt: Recital | Costly | Flood): ReadableStream<Uint8Array> | Blob {
  if ('reply' in prompt) return floodOf(prompt)
  return 'costly' in prompt ? answerTo(prompt) : recital(prompt)
}

if (import.meta.main) {
  const server = Bun.serve({
    port: Number(process.argv[2]),
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request) {
      if (request.url.endsWith('/open')) return Response.json(open)
      if (request.method !== 'POST') return Response.json({ object: 'list', data: [{ id: 'glm-4.7' }] })
      const messages = fieldOf(await request.json(), 'messages')
      // Rules about the form of the answer stand in front of it, and a second try asks for the same again.
      const asked = Array.isArray(messages) ? messages.findLast(isPrompt) : undefined
      const prompt = asked === undefined ? { numbers: 1, everyMs: 1 } : JSON.parse(String(fieldOf(asked, 'content')))
      return new Response(replyTo(prompt), {
        headers: { 'content-type': 'text/event-stream' },
      })
    },
  })
  console.log(server.port)
}
