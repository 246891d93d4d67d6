import { describe, expect, test } from 'bun:test'
import type { Delta } from '../../../src/core/events.ts'
import { call, finish, say, think } from '../stream.ts'
import { everyTool, last, message, nothingUsed, plain, sealing, textPart, told } from './encoding.ts'

/** Without what all events share, and without the responses at both ends. */
function between(deltas: Delta[], options = plain): object[] {
  return told(deltas, options)
    .slice(2, -1)
    .map(({ sequence_number: _, ...event }) => ({ ...event, type: event.type.replace(/^response\./, '') }))
}

describe('encoder', () => {
  test('opens with the response as it stands, twice', () => {
    const [created, inProgress] = told([say('a'), finish()])
    const response = {
      id: 'resp_1',
      object: 'response',
      status: 'in_progress',
      completed_at: null,
      output: [],
      output_text: '',
      usage: nothingUsed,
    }
    expect(created).toMatchObject({ type: 'response.created', response })
    expect(inProgress).toMatchObject({ type: 'response.in_progress', response })
  })

  const at = { item_id: 'msg_1_0', output_index: 0 }
  const part = { item_id: 'rs_1_0', output_index: 0, content_index: 0 }
  const shell = (command: string[]) => ({
    type: 'exec',
    command,
    env: {},
    timeout_ms: null,
    user: null,
    working_directory: null,
  })

  test.each<[string, Delta[], typeof plain, object[]]>([
    [
      'text is a message with one part',
      [say('Hel'), say('lo "x"\n'), finish()],
      plain,
      [
        {
          type: 'output_item.added',
          output_index: 0,
          item: { ...message('msg_1_0', '', 'in_progress'), content: [] },
        },
        { type: 'content_part.added', ...at, content_index: 0, part: textPart('') },
        { type: 'output_text.delta', ...at, content_index: 0, logprobs: [], delta: 'Hel' },
        { type: 'output_text.delta', ...at, content_index: 0, logprobs: [], delta: 'lo "x"\n' },
        { type: 'output_text.done', ...at, content_index: 0, logprobs: [], text: 'Hello "x"\n' },
        { type: 'content_part.done', ...at, content_index: 0, part: textPart('Hello "x"\n') },
        { type: 'output_item.done', output_index: 0, item: message('msg_1_0', 'Hello "x"\n') },
      ],
    ],
    [
      'reasoning is content of its item',
      [think('Hm'), think('.'), finish()],
      plain,
      [
        {
          type: 'output_item.added',
          output_index: 0,
          item: { id: 'rs_1_0', type: 'reasoning', summary: [], content: [] },
        },
        { type: 'content_part.added', ...part, part: { type: 'reasoning_text', text: '' } },
        { type: 'reasoning_text.delta', ...part, delta: 'Hm' },
        { type: 'reasoning_text.delta', ...part, delta: '.' },
        { type: 'reasoning_text.done', ...part, text: 'Hm.' },
        { type: 'content_part.done', ...part, part: { type: 'reasoning_text', text: 'Hm.' } },
        {
          type: 'output_item.done',
          output_index: 0,
          item: {
            id: 'rs_1_0',
            type: 'reasoning',
            summary: [],
            content: [{ type: 'reasoning_text', text: 'Hm.' }],
          },
        },
      ],
    ],
    [
      'reasoning is a summary for a client that asks for one, and sealed for one that asks for that',
      [think('Hm'), think('.'), finish()],
      sealing,
      [
        { type: 'output_item.added', output_index: 0, item: { id: 'rs_1_0', type: 'reasoning', summary: [] } },
        {
          type: 'reasoning_summary_part.added',
          item_id: 'rs_1_0',
          output_index: 0,
          summary_index: 0,
          part: { type: 'summary_text', text: '' },
        },
        {
          type: 'reasoning_summary_text.delta',
          item_id: 'rs_1_0',
          output_index: 0,
          summary_index: 0,
          delta: 'Hm',
        },
        { type: 'reasoning_summary_text.delta', item_id: 'rs_1_0', output_index: 0, summary_index: 0, delta: '.' },
        { type: 'reasoning_summary_text.done', item_id: 'rs_1_0', output_index: 0, summary_index: 0, text: 'Hm.' },
        {
          type: 'reasoning_summary_part.done',
          item_id: 'rs_1_0',
          output_index: 0,
          summary_index: 0,
          part: { type: 'summary_text', text: 'Hm.' },
        },
        {
          type: 'output_item.done',
          output_index: 0,
          item: {
            id: 'rs_1_0',
            type: 'reasoning',
            summary: [{ type: 'summary_text', text: 'Hm.' }],
            encrypted_content: 'emFpMmFwaS8xSG0u',
          },
        },
      ],
    ],
    [
      'a function call is its arguments as they come',
      [...call('x', 'f', '{"a":', '1}'), finish()],
      everyTool,
      [
        {
          type: 'output_item.added',
          output_index: 0,
          item: {
            id: 'fc_1_0',
            type: 'function_call',
            status: 'in_progress',
            name: 'f',
            arguments: '',
            call_id: 'id_x',
          },
        },
        { type: 'function_call_arguments.delta', item_id: 'fc_1_0', output_index: 0, delta: '{"a":' },
        { type: 'function_call_arguments.delta', item_id: 'fc_1_0', output_index: 0, delta: '1}' },
        { type: 'function_call_arguments.done', item_id: 'fc_1_0', output_index: 0, name: 'f', arguments: '{"a":1}' },
        {
          type: 'output_item.done',
          output_index: 0,
          item: {
            id: 'fc_1_0',
            type: 'function_call',
            status: 'completed',
            name: 'f',
            arguments: '{"a":1}',
            call_id: 'id_x',
          },
        },
      ],
    ],
    [
      'a freeform call is the text inside its arguments',
      [...call('x', 'patch', '{"inp', 'ut": "a\\', 'n\\"b', '\\u00e9"}'), finish()],
      everyTool,
      [
        {
          type: 'output_item.added',
          output_index: 0,
          item: {
            id: 'ctc_1_0',
            type: 'custom_tool_call',
            status: 'in_progress',
            name: 'patch',
            input: '',
            call_id: 'id_x',
          },
        },
        { type: 'custom_tool_call_input.delta', item_id: 'ctc_1_0', output_index: 0, delta: 'a' },
        { type: 'custom_tool_call_input.delta', item_id: 'ctc_1_0', output_index: 0, delta: '\n"b' },
        { type: 'custom_tool_call_input.delta', item_id: 'ctc_1_0', output_index: 0, delta: 'é' },
        { type: 'custom_tool_call_input.done', item_id: 'ctc_1_0', output_index: 0, input: 'a\n"bé' },
        {
          type: 'output_item.done',
          output_index: 0,
          item: {
            id: 'ctc_1_0',
            type: 'custom_tool_call',
            status: 'completed',
            name: 'patch',
            input: 'a\n"bé',
            call_id: 'id_x',
          },
        },
      ],
    ],
    [
      'a freeform call with its text under another name comes whole at the end',
      [...call('x', 'patch', '{"patch":', '"a"}'), finish()],
      everyTool,
      [
        expect.objectContaining({ type: 'output_item.added' }),
        { type: 'custom_tool_call_input.delta', item_id: 'ctc_1_0', output_index: 0, delta: 'a' },
        { type: 'custom_tool_call_input.done', item_id: 'ctc_1_0', output_index: 0, input: 'a' },
        expect.objectContaining({ type: 'output_item.done' }),
      ],
    ],
    [
      'a shell call is an action, whole from its beginning, without deltas',
      [...call('x', 'local_shell', '{"command":["ls"],', '"workdir":"/a"}'), finish()],
      everyTool,
      [
        {
          type: 'output_item.added',
          output_index: 0,
          item: {
            id: 'lsh_1_0',
            type: 'local_shell_call',
            status: 'in_progress',
            action: { ...shell(['ls']), working_directory: '/a' },
            call_id: 'id_x',
          },
        },
        {
          type: 'output_item.done',
          output_index: 0,
          item: {
            id: 'lsh_1_0',
            type: 'local_shell_call',
            status: 'completed',
            action: { ...shell(['ls']), working_directory: '/a' },
            call_id: 'id_x',
          },
        },
      ],
    ],
  ])('%s', (_name, deltas, options, expected) => {
    expect(between(deltas, options)).toEqual(expected)
  })

  test.each<[string, Delta[], object]>([
    [
      'a call of a namespace goes back in two words',
      call('x', 'team__ask', '{}'),
      { type: 'function_call', name: 'ask', namespace: 'team', arguments: '{}' },
    ],
    [
      'a search for tools goes back as one',
      call('x', 'tool_search', '{"query":"mail"}'),
      { type: 'tool_search_call', execution: 'client', arguments: { query: 'mail' } },
    ],
    [
      'a shell command in one line gets a shell',
      call('x', 'local_shell', '{"command":"ls | wc"}'),
      { type: 'local_shell_call', action: { command: ['bash', '-lc', 'ls | wc'] } },
    ],
    [
      'shell commands go back in the order they run',
      call('x', 'shell', '{"commands":["ls","wc a"],"timeout_ms":500}'),
      {
        id: 'sh_1_0',
        type: 'shell_call',
        call_id: 'id_x',
        status: 'completed',
        action: { commands: ['ls', 'wc a'], timeout_ms: 500, max_output_length: null },
        environment: { type: 'local' },
      },
    ],
    [
      'one shell command may come without its list',
      call('x', 'shell', '{"commands":"ls"}'),
      { type: 'shell_call', action: { commands: ['ls'] } },
    ],
    [
      'a patch of a file is an operation on it',
      call('x', 'apply_patch', '{"type":"update_file","path":"a.txt","diff":"@@\\n-a\\n+b\\n"}'),
      {
        id: 'apc_1_0',
        type: 'apply_patch_call',
        call_id: 'id_x',
        status: 'completed',
        operation: { type: 'update_file', path: 'a.txt', diff: '@@\n-a\n+b\n' },
      },
    ],
    [
      'a file is deleted without a diff',
      call('x', 'apply_patch', '{"type":"delete_file","path":"a.txt"}'),
      { type: 'apply_patch_call', operation: { type: 'delete_file', path: 'a.txt' } },
    ],
    [
      'a tool nobody declared is a function',
      call('x', 'constructor', '{}'),
      { type: 'function_call', name: 'constructor' },
    ],
  ])('%s', (_name, deltas, expected) => {
    expect(last([...deltas, finish()], everyTool)).toMatchObject({ response: { output: [expected] } })
  })

  test('a delta between prefix and suffix is the JSON the whole event would be', () => {
    const text = 'é"\\\n\u2028世界🙂</script>'
    expect(told([say(text), finish()])[4]).toEqual({
      type: 'response.output_text.delta',
      sequence_number: 4,
      ...at,
      content_index: 0,
      logprobs: [],
      delta: text,
    })
  })
})
