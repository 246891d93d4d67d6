import { fieldOf } from './chat-zai.ts'

/** A response as a client understands it, in any dialect. */
export interface View {
  /** The HTTP status. A stream that ends in an error has 200. */
  status: number
  /** The complete text of the reply. */
  text: string
  /** The message of the error that ended the reply; `undefined` if it ended normally. */
  error: string | undefined
  /** The number of endings in the response; 1 is correct. */
  endings: number
  /** Nothing followed the ending. */
  endedLast: boolean
}

interface DialectView {
  path: string
  body: object
  /** Reads one event of a stream. */
  event(data: unknown): { text?: unknown; error?: unknown; ended?: boolean }
  /** The text of a whole response. */
  whole(body: unknown): unknown[]
}

/** Three of the dialects that stream, as their clients read them. */
export const dialectViews = {
  chat: {
    path: '/v1/chat/completions',
    body: { messages: [{ role: 'user', content: 'Hello, GLM!' }] },
    event: (data) => {
      const error = fieldOf(fieldOf(data, 'error'), 'message')
      return {
        text: first(data, 'choices', 'delta', 'content'),
        error,
        ended: data === '[DONE]' || error !== undefined,
      }
    },
    whole: (body) => [first(body, 'choices', 'message', 'content')],
  },
  messages: {
    path: '/v1/messages',
    body: { max_tokens: 4096, messages: [{ role: 'user', content: 'Hello, GLM!' }] },
    event: (data) => ({
      text: fieldOf(fieldOf(data, 'delta'), 'text'),
      error: fieldOf(fieldOf(data, 'error'), 'message'),
      ended: ['message_stop', 'error'].includes(String(fieldOf(data, 'type'))),
    }),
    whole: (body) => listOf(fieldOf(body, 'content')).map((block) => fieldOf(block, 'text')),
  },
  responses: {
    path: '/v1/responses',
    body: { input: 'Hello, GLM!' },
    event: (data) => ({
      text: fieldOf(data, 'type') === 'response.output_text.delta' ? fieldOf(data, 'delta') : undefined,
      error: fieldOf(fieldOf(fieldOf(data, 'response'), 'error'), 'message'),
      ended: /^(?:response\.(?:completed|incomplete|failed)|error)$/.test(String(fieldOf(data, 'type'))),
    }),
    whole: (body) =>
      listOf(fieldOf(body, 'output')).flatMap((item) =>
        listOf(fieldOf(item, 'content')).map((part) => fieldOf(part, 'text')),
      ),
  },
} satisfies Record<string, DialectView>

export type DialectViewName = keyof typeof dialectViews

export const dialectViewNames = Object.keys(dialectViews).filter((name): name is DialectViewName =>
  Object.hasOwn(dialectViews, name),
)

/** Sends a request and reads the whole response. Throws if the response is not of the dialect. */
export async function viewOf(dialectView: DialectView, response: Response): Promise<View> {
  const said = await response.text()
  return (response.headers.get('content-type') ?? '').startsWith('text/event-stream')
    ? streamView(dialectView, response.status, said)
    : wholeView(dialectView, response.status, said)
}

function streamView(dialectView: DialectView, status: number, said: string): View {
  const view: View = { status, text: '', error: undefined, endings: 0, endedLast: false }
  for (const data of dataOf(said)) {
    const { text, error, ended } = dialectView.event(data === '[DONE]' ? data : JSON.parse(data))
    if (typeof text === 'string') view.text += text
    if (typeof error === 'string') view.error = error
    if (ended) view.endings++
    view.endedLast = ended === true
  }
  return view
}

/** The data of every event. Throws for a line that is not part of an event. */
function dataOf(said: string): string[] {
  return said.split('\n\n').flatMap((event) => {
    const lines = event.split('\n').filter((line) => line !== '' && !line.startsWith(':'))
    for (const line of lines)
      if (!/^(?:data|event): ./.test(line)) throw new Error(`not of an event stream: ${line.slice(0, 100)}`)
    const data = lines.filter((line) => line.startsWith('data: '))
    if (data.length > 1) throw new Error('an event with data over several lines')
    return data.map((line) => line.slice('data: '.length))
  })
}

function wholeView(dialectView: DialectView, status: number, said: string): View {
  const body: unknown = JSON.parse(said)
  const error = fieldOf(fieldOf(body, 'error'), 'message')
  if (status >= 400 && typeof error !== 'string') throw new Error(`status ${status} without a message: ${said}`)
  const text =
    status < 400
      ? dialectView
          .whole(body)
          .filter((part) => typeof part === 'string')
          .join('')
      : ''
  return { status, text, error: typeof error === 'string' ? error : undefined, endings: 1, endedLast: true }
}

function first(body: unknown, list: string, member: string, field: string): unknown {
  return fieldOf(fieldOf(listOf(fieldOf(body, list))[0], member), field)
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
