import { afterEach, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { createSecretFinder } from '../../src/core/known-secrets.ts'
import { mcpSecretsIn } from '../../src/core/mcp-secrets.ts'
import { createCapture } from '../../src/observe/capture.ts'
import type { RequestRecord } from '../../src/observe/record.ts'
import { secretFinder } from '../../src/observe/redaction.ts'
import { until } from '../support/gateway.ts'
import { said, tool } from '../support/mcp-server.ts'
import { answer, calls, chatRoute, jsonOf, stopWorlds, world } from './support.ts'

afterEach(stopWorlds)

const token = 'stand-in-of-a-token-4711'
const header = 'stand-in-of-a-header-4712'
const inPath = 'stand-in-of-a-path-4713'
const inQuery = 'stand-in-of-a-query-4714'
const all = [token, header, inPath, inQuery]
const leaked = (text: string) => all.filter((secret) => text.includes(secret))

/** A server at any path, which repeats all it was told. */
const telling = (failing: boolean) => ({
  tools: [tool('lookup')],
  call: () => ({ ...said(`You are ${all.join(' and ')}.`), isError: failing }),
})

test.each([false, true])(
  'credentials reach the server, and nothing else: where the tool repeats them, failing %p',
  async (failing) => {
    const mode = () => ({ mode: 'memory' as const, maxBytes: 10_000_000, maxDiskBytes: 0 })
    const findSecrets = secretFinder(createSecretFinder([]))
    const capture = createCapture({ clock: systemClock, configured: mode, findSecrets })
    const records: RequestRecord[] = []
    const trace = (record: RequestRecord) => void records.push(record)
    const { model, responses, messages, server, lines, api, app } = world(telling(failing), { capture, trace })
    const url = `${server.url}/${inPath}?key=${inQuery}`
    model(calls(['s__lookup']), answer('Done.'), calls(['s__lookup']), answer('Done.'))
    const servers = [
      {
        type: 'mcp',
        server_label: 's',
        server_url: url,
        authorization: token,
        headers: { 'X-Tenant': header },
        require_approval: 'never',
      },
    ]
    const whole = await responses({ tools: servers })
    const other = await messages({
      mcp_servers: [{ type: 'url', name: 's', url, authorization_token: token }],
      stream: true,
    })
    const reply = await jsonOf(whole.clone())
    const stored = await app.handle(new Request(`http://localhost/v1/responses/${reply.id}`))
    const input = await app.handle(new Request(`http://localhost/v1/responses/${reply.id}/input_items`))
    expect(server.headers[0]).toMatchObject({ authorization: `Bearer ${token}`, 'x-tenant': header })
    expect(reply.output[1]).toMatchObject({ status: failing ? 'failed' : 'completed' })
    // To the server of the second request the header is a word like any other.
    const others = (text: string) => leaked(text).filter((secret) => secret !== header)
    for (const text of [await whole.text(), await stored.text(), await input.text()]) expect(leaked(text)).toEqual([])
    const shown = await other.text()
    await until(() => records.some(({ path }) => path === '/v1/messages'), 'the record')
    expect(records.flatMap(({ timeline }) => timeline?.steps ?? []).filter(({ kind }) => kind === 'mcp')).not.toEqual(
      [],
    )
    for (const text of [
      shown,
      lines.join('\n'),
      ...records.map(({ timeline }) => JSON.stringify(timeline?.steps ?? [])),
      ...api.to(chatRoute).map(({ body }) => JSON.stringify(body)),
    ])
      expect(others(text)).toEqual([])
    for (const [response, secretsIn] of [[whole, leaked] as const, [other, others] as const]) {
      const read = await capture.read(response.headers.get('x-request-id') ?? '')
      expect(typeof read === 'string' ? read : read.bodies.map(({ name }) => name)).toContain('client-request')
      expect(secretsIn(JSON.stringify(read))).toEqual([])
    }
  },
)

test.each([
  ['refused', () => new Response(`No ${all.join(', ')}!`, { status: 401 })],
  ['no MCP', () => Response.json({ all })],
])('an error that repeats them is told without them: %s', async (_name, intercept) => {
  const { responses, server, lines } = world({ tools: [], intercept })
  const servers = [
    {
      type: 'mcp',
      server_label: 's',
      server_url: `${server.url}/${inPath}?key=${inQuery}`,
      authorization: token,
      headers: { 'x-tenant': header },
    },
  ]
  const refused = await responses({ tools: servers })
  expect(refused.status).toBe(424)
  expect(leaked((await refused.text()) + lines.join('\n'))).toEqual([])
})

test('credentials are not sent on by a redirect to another origin, even to one that is allowed', async () => {
  const other = world({ tools: [tool('lookup')] })
  const rules = [other.server.host]
  const redirect = () => new Response(null, { status: 307, headers: { location: other.server.url } })
  const { responses, server } = world({ tools: [], intercept: redirect }, { mcp: { rules } })
  rules.push(server.host)
  const servers = [{ type: 'mcp', server_label: 's', server_url: server.url, authorization: token }]
  const refused = await responses({ tools: servers })
  expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([
    424,
    expect.stringContaining(`Redirect to ${other.server.url} not followed`),
  ])
  expect(server.headers).toHaveLength(1)
  expect(other.server.headers).toEqual([])
})

test.each([
  [
    'whole',
    `{"tools":[{"type":"mcp","authorization":"${token}","headers":{"x-a":"${header}"},"server_url":"https://a.example/${inPath}?k=${inQuery}"}]}`,
    all,
  ],
  [
    'of Messages',
    `{"mcp_servers":[{"authorization_token":"${token}","url":"https://a.example/${inPath}?k=${inQuery}"}]}`,
    [token, inPath, inQuery],
  ],
  [
    'with a user in the address',
    `{"mcp_servers":[{"url":"https://${token}:${inPath}@a.example/${header}%2f7"}]}`,
    [token, inPath, `${header}%2f7`, `${header}/7`],
  ],
  [
    'in an item',
    `{"input":[{"type":"additional_tools","tools":[{"type":"mcp","authorization":"${token}"}]}]}`,
    [token],
  ],
  [
    'cut short',
    `{"tools":[{"type":"mcp","headers":{"x-a":"${header}"},"authorization":"${token}","server`,
    [token, header],
  ],
  ['of a function', `{"tools":[{"type":"function","name":"mcp","headers":{"x-a":"${header}"}}]}`, [header]],
  [
    'of a batch',
    `{"requests":[{"params":{"mcp_servers":[{"authorization_token":"${token}","url":"https://a.example/"}]}}]}`,
    [token],
  ],
  ['of nothing of the kind', `{"input":"authorization ${token}"}`, []],
])('a body %s: what is secret in it is found', (_name, body, found) => {
  expect(new Set(mcpSecretsIn(body))).toEqual(new Set(found))
})

test.each([
  ['authorization_token', { authorization_token: token }, 'a batch is stored'],
  [
    'url',
    { url: `https://mcp.example/mcp?key=${inQuery}` },
    'users and queries of addresses may be credentials: a batch',
  ],
  ['url', { url: `https://${token}@mcp.example/mcp` }, 'users and queries of addresses may be credentials: a batch'],
])('a batch, which is stored, takes none: %s', async (member, more, words) => {
  const { app, server } = world({ tools: [tool('lookup')] })
  const mcp_servers = [{ type: 'url', name: 's', url: server.url, ...more }]
  const params = { model: 'glm-4.6', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }], mcp_servers }
  const body = JSON.stringify({ requests: [{ custom_id: 'one', params }] })
  const headers = { 'anthropic-version': '2023-06-01' }
  const refused = await app.handle(
    new Request('http://localhost/v1/messages/batches', { method: 'POST', body, headers }),
  )
  expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([
    400,
    expect.stringContaining(`requests.0.params.mcp_servers.0.${member}: ${words}`),
  ])
})
