import { afterEach, expect, test } from 'bun:test'
import { createServer, type Server as HttpServer } from 'node:http'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { until } from '../support/gateway.ts'
import { said, tool } from '../support/mcp-server.ts'
import { answer, calls, jsonOf, stopWorlds, world } from './support.ts'

const servers: HttpServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
  await stopWorlds()
})

/** A server of the official SDK that speaks the transport of 2024-11-05 alone. */
async function startOlderServer(endsInCall = false): Promise<{ host: string; open: () => number }> {
  const sessions = new Map<string, SSEServerTransport>()
  const http = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    if (request.method === 'GET' && url.pathname === '/sse') {
      const transport = new SSEServerTransport('/message', response)
      sessions.set(transport.sessionId, transport)
      response.on('close', () => sessions.delete(transport.sessionId))
      const server = new Server({ name: 'older', version: '1' }, { capabilities: { tools: {} } })
      server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [tool('lookup')] }))
      server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
        if (endsInCall) {
          response.destroy()
          return new Promise<never>(() => {})
        }
        return said(`${params.name} by SSE`)
      })
      await server.connect(transport)
      return
    }
    const session = sessions.get(url.searchParams.get('sessionId') ?? '')
    if (request.method === 'POST' && url.pathname === '/message' && session)
      await session.handlePostMessage(request, response)
    else response.writeHead(404).end()
  })
  servers.push(http)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { host: `127.0.0.1:${address.port}`, open: () => sessions.size }
}

test('a server that speaks the older transport alone is spoken to by it', async () => {
  const older = await startOlderServer()
  const { model, responses } = world({ tools: [] }, { mcp: { rules: [older.host] } })
  model(calls(['s__lookup']), answer('Done.'))
  const tools = [{ type: 'mcp', server_label: 's', server_url: `http://${older.host}/sse`, require_approval: 'never' }]
  const reply = await jsonOf(await responses({ tools }))
  expect(reply.output.slice(1)).toMatchObject([
    { type: 'mcp_call', status: 'completed', output: 'lookup by SSE' },
    { type: 'message' },
  ])
  await until(() => older.open() === 0, 'the session ends')
})

test('its stream may break off in a call', async () => {
  const older = await startOlderServer(true)
  const { model, responses } = world({ tools: [] }, { mcp: { rules: [older.host] } })
  model(calls(['s__lookup']), answer('It is gone.'))
  const tools = [{ type: 'mcp', server_label: 's', server_url: `http://${older.host}/sse`, require_approval: 'never' }]
  const reply = await jsonOf(await responses({ tools }))
  expect(reply.output.slice(1)).toMatchObject([
    { type: 'mcp_call', status: 'failed', error: { message: 'it closed the connection before it answered.' } },
    { type: 'message' },
  ])
})
