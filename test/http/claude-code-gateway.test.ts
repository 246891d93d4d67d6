import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp, startGateway } from '../support/gateway.ts'
import { askRaw } from '../support/raw-http.ts'

const upstreams = [demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })]
const settings = { access: { openaiKey: 'sk-own' } }
const app = gatewayApp(upstreams, settings)

async function ask(method: string, path: string, headers: Record<string, string> = {}) {
  const response = await app.handle(
    new Request(`http://localhost${path}`, { method, headers: { host: 'gateway.example', ...headers } }),
  )
  return { status: response.status, json: await response.json() }
}

test.each(['', '/anthropic', '/api/anthropic'])('at %j, the metadata of sign-ins names no endpoint', async (base) => {
  const metadata = await ask('GET', `${base}/.well-known/oauth-authorization-server`)
  expect(metadata).toEqual({
    status: 200,
    json: {
      issuer: `http://gateway.example${base}`,
      ...{ grant_types_supported: [], response_types_supported: [], gateway_protocol_version: 1 },
      token_endpoint_auth_methods_supported: ['none'],
    },
  })
})

test.each([
  ['of the Host', '1.1', 'Host: [::1]:8080\r\n', 'http://[::1]:8080'],
  ['where it listens, for an empty Host', '1.1', 'Host: \r\n', undefined],
  ['where it listens, for a port alone', '1.1', 'Host: :80\r\n', undefined],
  ['where it listens, for a port that none has', '1.1', 'Host: a:99999\r\n', undefined],
  ['where it listens, without a Host', '1.0', '', undefined],
])('the issuer is the address %s', async (_name, version, host, expected) => {
  const gateway = startGateway(upstreams, settings)
  try {
    const target = '/anthropic/.well-known/oauth-authorization-server'
    const request = `GET ${target} HTTP/${version}\r\n${host}Connection: close\r\n\r\n`
    const { status, body } = await askRaw(Number(new URL(gateway.url).port), request)
    expect([status, JSON.parse(body).issuer]).toEqual([200, `${expected ?? gateway.url}/anthropic`])
  } finally {
    await gateway.stop()
  }
})

test.each(['/oauth/device_authorization', '/oauth/token'])('%s says what to do in place of a sign-in', async (path) => {
  const { status, json } = await ask('POST', `/anthropic${path}`)
  expect([status, json.error]).toEqual([404, 'unauthorized_client'])
  expect(json.error_description).toContain('ANTHROPIC_BASE_URL to http://gateway.example/anthropic and')
  expect(json.error_description.length).toBeLessThanOrEqual(300)
})

test('an address is left out where the client would cut the advice behind it', async () => {
  const { json } = await ask('POST', '/oauth/token', { host: `${'x'.repeat(250)}.example` })
  expect(json.error_description).toEndWith('or run `zai2api env claude`.')
  expect(json.error_description.length).toBeLessThanOrEqual(300)
})

test('there are no managed settings, and only clients learn it', async () => {
  const none = await ask('GET', '/managed/settings', { authorization: 'Bearer sk-own', 'if-none-match': '"sha256:0"' })
  expect([none.status, none.json.error.type]).toEqual([404, 'not_found_error'])
  expect((await ask('GET', '/managed/settings')).status).toBe(401)
})
