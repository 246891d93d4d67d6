/** A body nearly as long as MAX_BODY_BYTES lets one be. */
export interface CostlyBody {
  name: string
  path: string
  body: object
  /** It is a message on a WebSocket of this path. */
  isMessage?: true
}

const longest = 30_000_000
const filled = (unit: string) => unit.repeat(Math.floor(longest / Buffer.byteLength(unit)))

/** Texts that cost differently: of one byte a character, of escapes and letters, of quotes, of two bytes a character. */
const texts = {
  'a text': filled('word '),
  'a text of line ends': 'a\n'.repeat(longest / 3),
  'a text of quotes': '"'.repeat(longest / 2),
  'a Chinese text': filled('hello 汉字，'),
} as const

const chinese = texts['a Chinese text']

/** A question of two bytes a character beside a long image makes the whole body a text of such. */
const questions = { 'an image': 'What is this?', 'an image and a Chinese question': '这是什么？' }
const image = filled('iVBORw0KGgoAAAANSUhEUgAA')

interface Route {
  path: string
  textBody?: (text: string, model: string) => object
  /** Of a text that is stored. */
  keptBody?: (text: string, model: string) => object
  imageBody?: (question: string, model: string) => object
}

/** Nearly as long as what is stored may be. */
const kept = { 'an image': image.slice(0, 7_900_000), 'a Chinese text': texts['a Chinese text'].slice(0, 4_700_000) }

const inMessage = (content: unknown, model: string) => ({ model, max_tokens: 9, messages: [{ role: 'user', content }] })
const inContents = (...parts: object[]) => ({ contents: [{ role: 'user', parts }] })
const url = `data:image/png;base64,${image}`

const routes: Route[] = [
  {
    path: '/v1/chat/completions',
    textBody: inMessage,
    imageBody: (text, model) =>
      inMessage(
        [
          { type: 'text', text },
          { type: 'image_url', image_url: { url } },
        ],
        model,
      ),
  },
  { path: '/v1/completions', textBody: (prompt, model) => ({ model, prompt }) },
  {
    path: '/v1/responses',
    textBody: (input, model) => ({ model, input }),
    keptBody: (text, model) => ({
      model,
      input: [{ role: 'user', content: [{ type: 'input_image', image_url: `data:image/png;base64,${text}` }] }],
    }),
    imageBody: (text, model) => ({
      model,
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text },
            { type: 'input_image', image_url: url },
          ],
        },
      ],
    }),
  },
  { path: '/v1/responses/input_tokens', textBody: (input, model) => ({ model, input }) },
  {
    path: '/v1/conversations',
    textBody: (content) => ({ items: [{ role: 'user', content }] }),
    keptBody: (content) => ({ items: [{ role: 'user', content }] }),
  },
  { path: '/v1/embeddings', textBody: (input, model) => ({ model, input }) },
  {
    path: '/v1/messages',
    textBody: inMessage,
    imageBody: (text, model) =>
      inMessage(
        [
          { type: 'text', text },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: image } },
        ],
        model,
      ),
  },
  { path: '/v1/messages/count_tokens', textBody: inMessage },
  {
    path: '/v1/messages/batches',
    textBody: (text, model) => ({ requests: [{ custom_id: 'a', params: inMessage(text, model) }] }),
    keptBody: (text, model) => ({
      requests: ['a', 'b', 'c', 'd', 'e', 'f'].map((custom_id, index) => ({
        custom_id,
        params: inMessage(text.slice((index % 2) * (text.length / 2), ((index % 2) + 1) * (text.length / 2)), model),
      })),
    }),
  },
  {
    path: '/v1beta/models/MODEL:generateContent',
    textBody: (text) => inContents({ text }),
    imageBody: (text) => inContents({ text }, { inlineData: { mimeType: 'image/png', data: image } }),
  },
  { path: '/v1beta/models/MODEL:countTokens', textBody: (text) => inContents({ text }) },
  { path: '/v1beta/models/MODEL:embedContent', textBody: (text) => ({ content: { parts: [{ text }] } }) },
  {
    path: '/api/chat',
    textBody: inMessage,
    imageBody: (content, model) => ({
      model,
      stream: false,
      messages: [{ role: 'user', content, images: [image] }],
    }),
  },
  { path: '/api/generate', textBody: (prompt, model) => ({ model, prompt, stream: false }) },
  { path: '/api/embed', textBody: (input, model) => ({ model, input }) },
  { path: '/api/show', textBody: (model) => ({ model }) },
]

/**
 * Sends it to a gateway, reads the answer to its end, and resolves with the status. A WebSocket has that of the last event:
 * 200, or what it says.
 */
export async function sendCostly(url: string, { path, body, isMessage }: CostlyBody): Promise<number> {
  if (isMessage) return await sendMessage(url + path, body)
  const response = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) })
  await response.text()
  return response.status
}

function sendMessage(url: string, body: object): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const socket = new WebSocket(url.replace('http', 'ws'))
  const message = JSON.stringify({ type: 'response.create', ...body })
  socket.onopen = () => socket.send(message)
  socket.onmessage = ({ data }) => {
    const { type, status = 200 } = JSON.parse(String(data))
    if (type === 'error' || /^response\.(completed|failed|incomplete)$/.test(type)) resolve(status)
  }
  socket.onclose = ({ code }) => reject(new Error(`the WebSocket was closed with ${code}`))
  return promise.finally(() => socket.close())
}

/** A batch as large as one may be, from its beginning to its end: it is cancelled, read and deleted. */
export async function runLargeBatch(url: string, model: string): Promise<number> {
  const requests = Array.from({ length: 100_000 }, (_, n) => ({
    custom_id: `request-${n}`,
    params: inMessage(`Question ${n}`, model),
  }))
  const made = await fetch(`${url}/v1/messages/batches`, { method: 'POST', body: JSON.stringify({ requests }) })
  const { id } = await made.json()
  if (!made.ok) return made.status
  const batch = `${url}/v1/messages/batches/${id}`
  await (await fetch(`${batch}/cancel`, { method: 'POST' })).text()
  while ((await (await fetch(batch)).json()).processing_status !== 'ended') await Bun.sleep(20)
  const lines = (await (await fetch(`${batch}/results`)).text()).split('\n').length - 1
  if (lines !== requests.length) return 500
  const { status } = await fetch(batch, { method: 'DELETE' })
  return status
}

/** Long texts elsewhere than in one message of the user. */
function* elsewhere(model: string): Generator<CostlyBody> {
  const chat = { path: '/v1/chat/completions', question: { role: 'user', content: 'What is this?' } }
  const { path, question } = chat
  const result = (content: unknown) => [
    question,
    { role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'it', arguments: '{}' } }] },
    { role: 'tool', tool_call_id: 'a', content },
  ]
  const called = [
    question,
    {
      role: 'assistant',
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'it', arguments: JSON.stringify({ a: chinese }) } }],
    },
    { role: 'tool', tool_call_id: 'a', content: 'done' },
  ]
  const parts = (count: number) => {
    const text = chinese.slice(0, chinese.length / count)
    return Array.from({ length: count }, () => ({ type: 'text', text }))
  }
  const asked = (messages: unknown) => ({ path, body: { model, messages } })
  yield { name: 'a Chinese result of a tool of 30 MB', ...asked(result(chinese)) }
  yield { name: 'Chinese arguments of an earlier call of 30 MB', ...asked(called) }
  yield { name: 'base64 of 30 MB in the system prompt', ...asked([{ role: 'system', content: image }, question]) }
  yield { name: 'a Chinese system prompt of 30 MB', ...asked([{ role: 'system', content: chinese }, question]) }
  for (const count of [30, 3_000, 50_000])
    yield {
      name: `a Chinese text of 30 MB in ${count.toLocaleString('en')} parts`,
      ...asked([{ role: 'user', content: parts(count) }]),
    }
  yield {
    name: 'a Chinese text of 30 MB in 3,000 messages',
    ...asked(parts(3_000).map(({ text }, index) => ({ role: index % 2 ? 'assistant' : 'user', content: text }))),
  }
  yield {
    name: 'Chinese results of tools of 30 MB in /v1/messages',
    path: '/v1/messages',
    body: {
      model,
      max_tokens: 9,
      messages: [
        question,
        { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'it', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: parts(30) }] },
      ],
    },
  }
}

/**
 * Replies that are added to a conversation of 7 MB of Chinese, which is read and written as a whole for each. Resolves with
 * the status.
 */
export async function continueLongConversation(url: string, model: string): Promise<number> {
  const post = (path: string, body: object) => fetch(url + path, { method: 'POST', body: JSON.stringify(body) })
  const begun = await post('/v1/conversations', { items: [{ role: 'user', content: kept['a Chinese text'] }] })
  const { id } = await begun.json()
  if (!begun.ok) return begun.status
  for (let turn = 0; turn < 3; turn++) {
    const items = [{ role: 'user', content: 'More.' }]
    const added = await post(`/v1/conversations/${id}/items`, { items })
    await added.text()
    if (!added.ok) return added.status
    // The conversation is longer than the model reads, which is known once it was read.
    await (await post('/v1/responses', { model, input: 'Hello!', conversation: id })).text()
  }
  return begun.status
}

export function* costlyBodies(model: string): Generator<CostlyBody> {
  for (const [what, text] of Object.entries({ ...texts, 'an image': image })) {
    const input = [{ role: 'user', content: [{ type: 'input_image', image_url: `data:image/png;base64,${text}` }] }]
    const body = { model, input, store: false }
    yield { name: `${what} of 30 MB in a message`, path: '/v1/responses', body, isMessage: true }
  }
  yield* elsewhere(model)
  for (const { path: pattern, textBody, keptBody, imageBody } of routes) {
    const path = pattern.replace('MODEL', model)
    const to = `to ${pattern.replace('/MODEL', '')}`
    const named = (what: string) => `${what} of 30 MB ${to}`
    for (const [what, text] of Object.entries(texts))
      if (textBody) yield { name: named(what), path, body: textBody(text, model) }
    for (const [what, text] of Object.entries(kept))
      if (keptBody) yield { name: `${what} that is kept ${to}`, path, body: keptBody(text, model) }
    for (const [what, question] of Object.entries(questions))
      if (imageBody) yield { name: named(what), path, body: imageBody(question, model) }
  }
}
