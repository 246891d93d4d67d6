import { afterEach, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { GatewayError } from '../../src/core/errors.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { createUsedApprovals } from '../../src/store/used-approvals.ts'
import { answer, calls, jsonOf, lastOf, lookup, stopWorlds, world } from './support.ts'

afterEach(stopWorlds)

const user = { role: 'user', content: 'Look it up.' }
const isCall = (seen: string) => seen.startsWith('tools/call')

test('an approval leads to one call, also where it is sent twice, at the same time, or to a gateway on the same database', async () => {
  const database = openSqlite({ path: ':memory:', clock: systemClock, warn() {} })
  const approvals = createUsedApprovals({ open: () => database, isOwn: false, now: systemClock.now })
  const { model, responses, tool: entryOf, server, asked } = world(lookup, { approvals })
  const other = world(lookup, { approvals, mcp: { rules: [server.host] } })
  model(calls(['s__lookup']), answer('A.'), answer('A.'), answer('A.'))
  other.model(answer('A.'))
  const entry = entryOf({ require_approval: 'always' })
  const first = await jsonOf(await responses({ input: [user], tools: [entry] }))
  const approved = { type: 'mcp_approval_response', approval_request_id: lastOf(first).id, approve: true }
  const again = { input: [user, ...first.output, approved], tools: [entry] }
  const twice = await Promise.all([responses(again), responses(again)])
  const third = await responses({ input: [approved], previous_response_id: first.id, tools: [entry] })
  const replies = await Promise.all([...twice, third, await other.responses(again)].map(jsonOf))
  expect(server.seen.filter(isCall)).toHaveLength(1)
  const statuses = replies.map(({ output }) => output.find(({ type }) => type === 'mcp_call')?.status)
  expect(statuses.slice(0, 2).sort()).toEqual(['completed', 'failed'])
  expect(statuses.slice(2)).toEqual(['failed', 'failed'])
  expect(replies[3]?.output).toMatchObject([
    {
      ...{ type: 'mcp_call', approval_request_id: lastOf(first).id, status: 'failed', output: null },
      error: { type: 'mcp_protocol_error', code: -32000, message: expect.stringContaining('is not made again') },
    },
    { type: 'message' },
  ])
  expect(asked(3).messages.at(-1)).toMatchObject({ role: 'tool', content: expect.stringContaining('not made again') })
  await database.close()
})

test('two items of one approval in a request lead to one call', async () => {
  const { model, responses, tool: entryOf, server } = world(lookup)
  model(calls(['s__lookup']), answer('A.'))
  const entry = entryOf({ require_approval: 'always' })
  const first = await jsonOf(await responses({ input: [user], tools: [entry] }))
  const request = lastOf(first)
  const approved = { type: 'mcp_approval_response', approval_request_id: request.id, approve: true }
  const input = [user, ...first.output, request, approved, approved]
  const second = await jsonOf(await responses({ input, tools: [entry] }))
  expect(server.seen.filter(isCall)).toHaveLength(1)
  expect(second.output[0]).toMatchObject({ type: 'mcp_call', output: 'A is a letter.' })
})

test('where its use cannot be stored, no call is made', async () => {
  const away = new GatewayError('overloaded', 'away', { code: 'store_unavailable' })
  const approvals = { use: () => Promise.reject(away), close: async () => {} }
  const { model, responses, tool: entryOf, server } = world(lookup, { approvals })
  model(calls(['s__lookup']))
  const first = await jsonOf(await responses({ tools: [entryOf({ require_approval: 'always' })] }))
  const approved = { type: 'mcp_approval_response', approval_request_id: lastOf(first).id, approve: true }
  const refused = await responses({ tools: [entryOf()], previous_response_id: first.id, input: [approved] })
  expect([refused.status, (await jsonOf(refused)).error.code]).toEqual([503, 'store_unavailable'])
  expect(server.seen.some(isCall)).toBe(false)
})
