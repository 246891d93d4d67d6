import { afterEach, describe, expect, test } from 'bun:test'
import { tool } from '../support/mcp-server.ts'
import { answer, calls, jsonOf, lastOf, lookup, stopWorlds, world } from './support.ts'

afterEach(stopWorlds)

describe('approval', () => {
  const withApproval = (require_approval: unknown) => ({ require_approval })

  test('is needed where the client does not say otherwise, and the approved call runs in the next request', async () => {
    const { model, responses, tool, server, asked } = world(lookup)
    model(calls(['s__lookup', { q: 'a' }]), answer('A letter.'))
    const first = await jsonOf(await responses({ tools: [tool(withApproval(undefined))] }))
    expect(first.status).toBe('completed')
    const request = lastOf(first)
    expect(request).toMatchObject({
      type: 'mcp_approval_request',
      server_label: 's',
      name: 'lookup',
      arguments: '{"q":"a"}',
    })
    expect(server.seen.some((seen) => seen.startsWith('tools/call'))).toBe(false)
    const second = await jsonOf(
      await responses({
        tools: [tool()],
        previous_response_id: first.id,
        input: [{ type: 'mcp_approval_response', approval_request_id: request.id, approve: true }],
      }),
    )
    expect(second.output).toMatchObject([
      { type: 'mcp_call', approval_request_id: request.id, output: 'A is a letter.', status: 'completed' },
      { type: 'message' },
    ])
    expect(server.seen.filter((seen) => seen === 'tools/list')).toHaveLength(1)
    expect(asked(1).messages.slice(1)).toMatchObject([
      { role: 'assistant', tool_calls: [{ function: { name: 's__lookup' } }] },
      { role: 'tool', content: 'A is a letter.' },
    ])
    // A third turn makes no third call.
    model(answer('Bye.'))
    await responses({ tools: [tool()], previous_response_id: second.id, input: 'Thanks.' })
    expect(server.seen.filter((seen) => seen.startsWith('tools/call'))).toHaveLength(1)
    expect(asked(2).messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user'])
  })

  test('works with items that the client passes back', async () => {
    const { model, responses, tool, server } = world(lookup)
    model(calls(['s__lookup']), answer('A letter.'))
    const user = { role: 'user', content: 'Look it up.' }
    const first = await jsonOf(await responses({ store: false, input: [user], tools: [tool(withApproval('always'))] }))
    const approved = { type: 'mcp_approval_response', approval_request_id: lastOf(first).id, approve: true }
    const second = await jsonOf(
      await responses({
        store: false,
        input: [user, ...first.output, approved],
        tools: [tool(withApproval('always'))],
      }),
    )
    expect(second.output[0]).toMatchObject({ type: 'mcp_call', output: 'A is a letter.' })
    // Without the item of the call, the approval does not count again.
    model(answer('Bye.'))
    await responses({
      store: false,
      input: [
        user,
        ...first.output,
        approved,
        { role: 'assistant', content: 'A letter.' },
        { role: 'user', content: 'Thanks.' },
      ],
      tools: [tool(withApproval('always'))],
    })
    expect(server.seen.filter((seen) => seen.startsWith('tools/call'))).toHaveLength(1)
  })

  test('that is denied is told to the model', async () => {
    const { model, responses, tool, server, asked } = world(lookup)
    model(calls(['s__lookup']), answer('Fine.'))
    const first = await jsonOf(await responses({ tools: [tool(withApproval('always'))] }))
    const denied = { approve: false, reason: 'Not now.', approval_request_id: lastOf(first).id }
    await responses({
      tools: [tool()],
      previous_response_id: first.id,
      input: [{ type: 'mcp_approval_response', ...denied }],
    })
    expect(asked(1).messages.at(-1)).toMatchObject({
      role: 'tool',
      content: 'This call was not made: the user denied it. Reason: Not now.',
    })
    expect(server.seen.some((seen) => seen.startsWith('tools/call'))).toBe(false)
  })

  test.each([
    [{ never: { tool_names: ['read'] } }, ['read']],
    [{ always: { tool_names: ['write'] } }, ['read', 'list']],
    [{ never: { read_only: true } }, ['list']],
    [{ always: { tool_names: ['read'] }, never: { read_only: true } }, ['list']],
    ['always', []],
    ['never', ['read', 'write', 'list']],
  ])('%j lets through %j', async (rule, expected) => {
    const tools = [tool('read'), tool('write'), tool('list', { annotations: { readOnlyHint: true } })]
    const { model, responses, tool: entry } = world({ tools })
    model(calls(['s__read'], ['s__write'], ['s__list']), answer('Done.'))
    const { output } = await jsonOf(await responses({ tools: [entry(withApproval(rule))] }))
    const made = output.filter(({ type }) => type === 'mcp_call')
    expect(made.map(({ name }) => name)).toEqual(expected)
  })
})
