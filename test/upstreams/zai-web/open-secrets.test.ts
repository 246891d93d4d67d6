import { expect, test } from 'bun:test'
import { type ChatZai, completionRoute, eventStream } from '../../support/chat-zai.ts'
import { all, setUp } from './opening.ts'
import { settle } from './support.ts'

test('no error holds a token, a signature or a query', async () => {
  const { zai, make, call } = setUp()
  const token = zai.addAccount('Alice')
  const refusing = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') })
  const { port } = refusing
  await refusing.stop(true)
  // All requests succeed except the completion, which goes to a closed port: then Bun's error holds the URL.
  const fetcher: ChatZai['fetch'] = (url, init) =>
    url.includes('/completions')
      ? fetch(url.replace('https://chat.z.ai', `http://127.0.0.1:${port}`), init)
      : zai.fetch(url, init)
  const error: unknown = await make({ tokens: [token] }, fetcher)
    .open(call())
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'upstream_unavailable' })
  expect(Bun.inspect(error)).not.toContain(token)
  expect(Bun.inspect(error)).not.toContain('signature_timestamp=')
})

test.each([
  ['before its first word', []],
  ['in the middle', ['A long beginning. '.repeat(5)]],
])('nor does the error of a reply that breaks %s', async (_name, texts) => {
  const secret = crypto.randomUUID()
  const { zai, make, call } = setUp()
  const breaking = () => {
    const parts = texts.map((text) => ({ type: 'chat:completion', data: { delta_content: text, phase: 'answer' } }))
    return eventStream(
      new ReadableStream<Uint8Array>({
        async pull(body) {
          await settle() // a network read of its own for each part
          const part = parts.shift()
          if (part === undefined) body.error(Object.assign(new Error('reset'), { path: `/?token=${secret}` }))
          else body.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(part)}\n\n`))
        },
      }),
    )
  }
  zai.script(completionRoute, breaking, breaking)
  const told: unknown = await all(make().open(call())).catch((thrown: unknown) => thrown)
  expect(Bun.inspect(told, { depth: 9 })).toContain('upstream_truncated')
  expect(Bun.inspect(told, { depth: 9 })).not.toContain(secret)
})
