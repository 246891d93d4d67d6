import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'

test.each(['/health', '/nowhere'])('GET %s is answered with what there is, a sign of life included', async (path) => {
  const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
  try {
    const response = await fetch(gateway.url + path)
    const body = (await response.json()) as { error: { message: string } }
    expect([response.status, body.error.message]).toEqual([
      404,
      `GET ${path} does not exist here. There is POST /v1/chat/completions, POST /v1/responses, POST /v1/messages, POST /v1beta/models/:model:generateContent, POST /api/chat, GET /v1/models, GET /healthz and GET /docs.`,
    ])
  } finally {
    await gateway.stop()
  }
})
