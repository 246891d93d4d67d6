import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { send } from '../../src/http-client/send.ts'

test('a redirect is not followed, so that no key is sent elsewhere', async () => {
  const asked: string[] = []
  const elsewhere = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      asked.push(request.url)
      return new Response('elsewhere')
    },
  })
  const upstream = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => Response.redirect(`${elsewhere.url}models`, 307),
  })
  const options = { fetch, clock: systemClock, signal: new AbortController().signal, headersTimeoutMs: 5_000 }
  for (const init of [{ method: 'GET' }, { method: 'POST', body: '{}' }])
    expect(
      (await send(`${upstream.url}models`, { ...init, headers: { authorization: 'Bearer k' } }, options)).status,
    ).toBe(307)
  expect(asked).toEqual([])
  await Promise.all([upstream.stop(true), elsewhere.stop(true)])
})
