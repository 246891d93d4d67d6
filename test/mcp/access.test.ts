import { afterEach, describe, expect, test } from 'bun:test'
import { clientKeys } from '../../src/http/client-keys.ts'
import { admissionOf } from '../../src/mcp/server-rules.ts'
import type { GatewaySettings } from '../support/gateway.ts'
import { tool } from '../support/mcp-server.ts'
import { answer, jsonOf, stopWorlds, world } from './support.ts'

afterEach(stopWorlds)

describe('rules', () => {
  test.each<[string, string[], 'listed' | 'public' | undefined]>([
    ['https://mcp.example.com/mcp', [], undefined],
    ['https://mcp.example.com/mcp', ['mcp.example.com'], 'listed'],
    ['https://MCP.example.com/mcp', ['mcp.Example.com'], 'listed'],
    ['https://mcp.example.com:8443/mcp', ['mcp.example.com'], undefined],
    ['https://mcp.example.com:8443/mcp', ['mcp.example.com:8443'], 'listed'],
    ['http://mcp.example.com:8443/mcp', ['mcp.example.com:8443'], 'listed'],
    ['http://mcp.example.com/mcp', ['mcp.example.com'], undefined],
    ['http://mcp.example.com/mcp', ['mcp.example.com:80'], 'listed'],
    ['https://mcp.example.com/mcp', ['mcp.example.com:443'], 'listed'],
    ['https://evil.mcp.example.com/mcp', ['mcp.example.com'], undefined],
    ['https://mcp.example.com.evil.org/mcp', ['mcp.example.com'], undefined],
    ['https://mcp.example.com@evil.org/mcp', ['mcp.example.com', '*'], undefined],
    ['https://mcp.example.com/mcp?user=1', ['https://mcp.example.com/mcp'], 'listed'],
    ['https://mcp.example.com/mcp/', ['https://mcp.example.com/mcp'], 'listed'],
    ['https://mcp.example.com/mcp/../admin', ['https://mcp.example.com/mcp'], undefined],
    ['https://mcp.example.com/admin', ['https://mcp.example.com/mcp'], undefined],
    ['https://mcp.example.com/any/path', ['https://mcp.example.com'], 'listed'],
    ['http://mcp.example.com/mcp', ['https://mcp.example.com/mcp'], undefined],
    ['http://localhost/mcp', ['localhost'], undefined],
    ['http://localhost:3000/mcp', ['localhost:3000'], 'listed'],
    ['http://[::1]:3000/mcp', ['[::1]:3000'], 'listed'],
    ['https://anything.example/', ['*'], 'public'],
    ['http://anything.example/', ['*'], undefined],
    ['https://mcp.example.com/', ['*', 'mcp.example.com'], 'listed'],
    ['file:///etc/passwd', ['*'], undefined],
    ['ftp://mcp.example.com/', ['mcp.example.com', '*'], undefined],
  ])('%s with %j', (url, rules, admission) => {
    expect(admissionOf(new URL(url), rules)).toBe(admission)
  })
})

const script = { tools: [tool('lookup')] }

describe('a server is refused before anything is sent', () => {
  test('where MCP is off, with the name of the setting, in both APIs', async () => {
    const {
      responses,
      messages,
      tool: entry,
      entry: server,
      server: running,
      api,
    } = world(script, { mcp: { rules: [] } })
    for (const [field, response] of [
      ['tools.0', await responses({ tools: [entry()], stream: true })],
      ['mcp_servers.0', await messages({ mcp_servers: [server()] })],
    ] as const) {
      expect(response.status).toBe(400)
      expect((await jsonOf(response)).error.message).toBe(
        `${field}: the MCP server \`s\` cannot be used: this gateway calls no MCP servers. Its operator can allow hosts with MCP_SERVERS.`,
      )
    }
    expect([running.seen, api.seen.filter(({ route }) => route.startsWith('POST'))]).toEqual([[], []])
  })

  test('where it is not in the list', async () => {
    const { responses, tool: entry, server } = world(script, { mcp: { rules: ['mcp.example.com'] } })
    const refused = await responses({ tools: [entry()] })
    expect([refused.status, (await jsonOf(refused)).error]).toEqual([
      403,
      expect.objectContaining({
        code: 'mcp_server_not_allowed',
        param: 'tools.0',
        message: `The MCP server \`s\` is at \`${server.host}\`, which MCP_SERVERS of this gateway does not allow.`,
      }),
    ])
    expect(server.seen).toEqual([])
  })

  test.each([
    ['a connector', { server_url: undefined, connector_id: 'connector_gmail' }, 'tools.0.connector_id'],
    ['a tunnel', { server_url: undefined, tunnel_id: 't' }, 'tools.0.tunnel_id'],
    ['no address', { server_url: undefined }, 'tools.0.server_url'],
    ['no URL', { server_url: 'mcp' }, 'tools.0'],
  ])('where it has %s', async (_name, more, param) => {
    const { responses, tool: entry } = world(script)
    const refused = await responses({ tools: [entry(more)] })
    expect([refused.status, (await jsonOf(refused)).error.param]).toEqual([400, param])
  })

  test('where a request names more than 20', async () => {
    const { responses, messages, tool: entry, entry: server, server: running } = world(script)
    const numbers = Array.from({ length: 600 }, (_, n) => n)
    for (const [param, response] of [
      ['tools.20', await responses({ tools: numbers.map((n) => entry({ server_label: `s${n}` })) })],
      ['mcp_servers.20', await messages({ mcp_servers: numbers.map((n) => server({ name: `s${n}` })) })],
    ] as const) {
      expect(response.status).toBe(400)
      expect((await jsonOf(response)).error.message).toBe(
        `${param}: the request names 600 MCP servers, and may name 20.`,
      )
    }
    expect(running.seen).toEqual([])
  })

  test('where two have one label', async () => {
    const { responses, tool: entry, messages, entry: server } = world(script)
    expect((await responses({ tools: [entry(), entry()] })).status).toBe(400)
    expect((await messages({ mcp_servers: [server(), server()] })).status).toBe(400)
  })

  test.each([
    ['a toolset without a server', {}, [{ type: 'mcp_toolset', mcp_server_name: 'other' }], {}],
    ['a server without a toolset', {}, [], { 'anthropic-beta': 'mcp-client-2025-11-20' }],
    [
      'two toolsets of a server',
      {},
      [
        { type: 'mcp_toolset', mcp_server_name: 's' },
        { type: 'mcp_toolset', mcp_server_name: 's' },
      ],
      {},
    ],
  ])('where there is %s', async (_name, more, tools, headers) => {
    const { messages, entry: server } = world(script)
    expect((await messages({ mcp_servers: [server(more)], tools }, { headers })).status).toBe(400)
  })
})

describe('`*` never reaches private addresses', () => {
  /** A gateway in a network where `rebound.example` has these addresses, one list for each look-up. */
  const network = (...answers: string[][]) => {
    const asked: string[] = []
    const lookup = async () => (answers.shift() ?? []).map((address) => ({ address }))
    const fetch = async (url: string) => {
      asked.push(url)
      throw new Error('no network')
    }
    return { ...world(script, { mcp: { rules: ['*'], lookup, fetch } }), asked }
  }
  const named = (server_url: string) => [{ type: 'mcp', server_label: 's', server_url }]

  test.each([
    ...['https://127.0.0.1/mcp', 'https://localhost/mcp', 'https://[::1]/mcp', 'https://10.1.2.3/mcp'],
    ...[
      'https://169.254.169.254/latest',
      'https://[::ffff:127.0.0.1]/mcp',
      'https://2130706433/mcp',
      'https://0x7f.1/mcp',
    ],
    ...['https://0.0.0.0/mcp', 'https://[fd00::1]/mcp', 'https://100.64.0.1/mcp', 'https://[64:ff9b::7f00:1]/mcp'],
  ])('%s', async (url) => {
    const { responses, asked } = network(['127.0.0.1'])
    const refused = await responses({ tools: named(url) })
    expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([
      424,
      expect.stringContaining('its host is not on the public internet'),
    ])
    expect(asked).toEqual([])
  })

  test('a name with one private address among public ones', async () => {
    const { responses, asked } = network(['93.184.216.34', '10.0.0.1'])
    expect((await responses({ tools: named('https://rebound.example/mcp') })).status).toBe(424)
    expect(asked).toEqual([])
  })

  test('a name that changes its address after it was checked: the connection goes to the one that was checked', async () => {
    const { responses, asked } = network(['93.184.216.34'], ['127.0.0.1'])
    await responses({ tools: named('https://rebound.example/mcp') })
    expect(asked).toEqual(['https://93.184.216.34/mcp'])
  })

  test('a redirect within the host whose name has a private address by then', async () => {
    const asked: string[] = []
    const answers = [['93.184.216.34'], ['127.0.0.1']]
    const { responses } = world(script, {
      mcp: {
        rules: ['*'],
        lookup: async () => (answers.shift() ?? []).map((address) => ({ address })),
        fetch: async (url) => {
          asked.push(url)
          return new Response(null, { status: 307, headers: { location: '/elsewhere' } })
        },
      },
    })
    const refused = await responses({ tools: named('https://rebound.example/mcp') })
    expect((await jsonOf(refused)).error.message).toContain('not on the public internet')
    expect(asked).toEqual(['https://93.184.216.34/mcp'])
  })

  test('plain http is not taken either', async () => {
    const { responses } = network(['93.184.216.34'])
    expect((await responses({ tools: named('http://rebound.example/mcp') })).status).toBe(403)
  })

  test('a host that the operator has named may have a private address', async () => {
    const { model, responses, tool: entry } = world(script)
    model(answer('Hello.'))
    expect((await responses({ tools: [entry()] })).status).toBe(200)
  })
})

test.each([
  ['client’s own host', { host: 'evil.example' }, 'host'],
  ['client’s own session', { 'Mcp-Session-Id': 'of-another' }, 'mcp-session-id'],
  ['client’s own length', { 'content-length': '3' }, 'content-length'],
])('a header of the connection is not the client’s to set: the %s', async (_name, headers, name) => {
  const { model, responses, tool: entry, server } = world(script)
  model(answer('Hello.'))
  expect((await responses({ tools: [entry({ headers })] })).status).toBe(200)
  expect(Object.values(headers)).not.toContain(server.headers[0]?.[name] ?? '')
})

describe('a key', () => {
  const secret = 'the-key'
  const withServers = (mcpServers: string[] | undefined): GatewaySettings => ({
    access: { keys: clientKeys({ openaiKey: secret, policy: { mcpServers } }) },
  })
  const init = { headers: { authorization: `Bearer ${secret}` } }

  test.each<[string[] | undefined, number]>([
    [undefined, 200],
    [['*', '127.0.0.1:1'], 403],
    [['mcp.example.com'], 403],
    [[], 403],
  ])('limited to %j is answered with %d', async (servers, status) => {
    const { model, responses, tool: entry } = world(script, withServers(servers))
    model(answer('Hello.'))
    const response = await responses({ tools: [entry()] }, init)
    expect(response.status).toBe(status)
    if (status === 403) expect((await jsonOf(response)).error.message).toContain('`mcp_servers` of this key')
  })
})
