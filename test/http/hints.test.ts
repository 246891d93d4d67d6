import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { dialects } from '../../src/dialects/index.ts'
import { replyAddresses } from '../../src/http/hints.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'

const addresses = replyAddresses(dialects).map(({ path }) => `POST ${path}`)

test.each(['/health', '/nowhere'])('GET %s is answered with what there is, a sign of life included', async (path) => {
  const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
  try {
    const response = await fetch(gateway.url + path)
    const body = (await response.json()) as { error: { message: string } }
    expect([response.status, body.error.message]).toEqual([
      404,
      `GET ${path} does not exist here. There is ${addresses.join(', ')}, GET /v1/models, GET /healthz and GET /docs.`,
    ])
  } finally {
    await gateway.stop()
  }
})
