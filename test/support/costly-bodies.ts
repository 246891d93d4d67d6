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

export function* costlyBodies(model: string): Generator<CostlyBody> {
  for (const [what, text] of Object.entries({ ...texts, 'an image': image })) {
    const input = [{ role: 'user', content: [{ type: 'input_image', image_url: `data:image/png;base64,${text}` }] }]
    const body = { model, input, store: false }
    yield { name: `${what} of 30 MB in a message`, path: '/v1/responses', body, isMessage: true }
  }
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
