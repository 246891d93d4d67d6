import { afterEach, expect, test } from 'bun:test'
import { readBatch } from '../../../src/core/batch-stream.ts'
import { completionRoute, eventStream } from '../../support/chat-zai.ts'
import { fromTheStart } from '../../support/replies.ts'
import { cleanup, setUp } from './opening.ts'
import { settle } from './support.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

test('an abort during reasoning ends the call', async () => {
  const { zai, make, call } = setUp()
  const client = new AbortController()
  zai.script(completionRoute, () => new Promise<Response>(() => {}))
  const opened = make().open(call({}, { signal: client.signal }))
  await settle()
  client.abort()
  await expect(opened).rejects.toMatchObject({ kind: 'cancelled' })
  await settle()
  expect(zai.to(completionRoute)).toHaveLength(1)
  expect(zai.to(cleanup)).toHaveLength(1)
})

test('an abort before the headers closes the connection to the site', async () => {
  const { zai, make, call } = setUp()
  const server = zai.listen()
  stops.push(server.stop)
  const client = new AbortController()
  const closed = Promise.withResolvers<void>()
  zai.script(completionRoute, ({ signal }) => {
    signal.addEventListener('abort', () => closed.resolve())
    client.abort()
    return new Promise<Response>(() => {})
  })
  const opened = make({ baseUrl: server.url }, fetch).open(call({}, { signal: client.signal }))
  await expect(opened).rejects.toMatchObject({ kind: 'cancelled' })
  await closed.promise
})

test('cancelling a reply closes the connection to the site', async () => {
  const { zai, make, call } = setUp()
  const server = zai.listen()
  stops.push(server.stop)
  const closed = Promise.withResolvers<void>()
  zai.script(completionRoute, ({ signal }) => {
    signal.addEventListener('abort', () => closed.resolve())
    const frame = { type: 'chat:completion', data: { delta_content: 'A long beginning. '.repeat(5), phase: 'answer' } }
    return eventStream(new ReadableStream({ start: (c) => c.enqueue(`data: ${JSON.stringify(frame)}\n\n`) }))
  })
  const source = fromTheStart(await make({ baseUrl: server.url }, fetch).open(call()))
  expect((await readBatch(source))?.[0]?.type).toBe('text')
  source.cancel()
  expect(await readBatch(source)).toBeUndefined()
  await closed.promise
})
