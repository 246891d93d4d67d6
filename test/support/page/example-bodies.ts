import type { BodyName, CapturedBody } from '../../../src/admin/schema/requests.ts'

const asked = {
  model: 'claude-opus-4-8',
  max_tokens: 32_000,
  stream: true,
  system: [{ type: 'text', text: 'You are an agent that edits code.' }],
  tools: [
    { name: 'Bash', input_schema: { type: 'object' } },
    { name: 'Edit', input_schema: { type: 'object' } },
  ],
  thinking: { type: 'adaptive' },
  output_config: { effort: 'high' },
  messages: [
    { role: 'user', content: 'The retry test fails on CI.' },
    { role: 'assistant', content: [{ type: 'text', text: 'I look at the test first.' }] },
    {
      role: 'assistant',
      content: [{ type: 'tool_use', id: 'toolu_01Vd7c', name: 'Bash', input: { command: 'bun test' } }],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_01Vd7c', content: 'expected "1", received "0"\n 11 pass, 1 fail' },
      ],
    },
  ],
}

const sent = {
  model: 'glm-5.3',
  max_tokens: 32_000,
  stream: true,
  tools: [
    { type: 'function', function: { name: 'Bash' } },
    { type: 'function', function: { name: 'Edit' } },
  ],
  thinking: { type: 'enabled', clear_thinking: false },
  reasoning_effort: 'high',
  tool_stream: true,
  messages: [
    { role: 'system', content: 'You are an agent that edits code.' },
    { role: 'user', content: 'The retry test fails on CI.' },
    { role: 'assistant', content: 'I look at the test first.' },
    { role: 'tool', tool_call_id: 'toolu_01Vd7c', content: 'expected "1", received "0"\n 11 pass, 1 fail' },
  ],
}

const event = (value: { type: string; [field: string]: unknown }) =>
  `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`
const frame = (delta: object, more: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, ...more }] })}\n\n`

export function exampleBody(name: BodyName): CapturedBody {
  const headers: CapturedBody['headers'] = [
    ['content-type', name.endsWith('request') ? 'application/json' : 'text/event-stream'],
  ]
  if (name.endsWith('request')) {
    const text = JSON.stringify(name === 'client-request' ? asked : sent)
    const url = name === 'client-request' ? '/v1/messages' : 'https://api.z.ai/api/coding/paas/v4/chat/completions'
    return { method: 'POST', url, headers, chunks: [{ at_ms: 0, text }], bytes: text.length }
  }
  const chunks =
    name === 'upstream-reply'
      ? [
          { at_ms: 5104, text: frame({ reasoning_content: 'The test fails because the wait is rounded down.' }) },
          { at_ms: 10_020, text: frame({ content: 'The header is written as 0.' }) },
          {
            at_ms: 13_460,
            text: frame({
              tool_calls: [
                {
                  id: 'call_8f2',
                  index: 0,
                  function: { name: 'Edit', arguments: '{"file_path":"src/core/errors.ts"}' },
                },
              ],
            }),
          },
          { at_ms: 18_386, text: `${frame({}, { finish_reason: 'tool_calls' })}data: [DONE]\n\n` },
        ]
      : [
          { at_ms: 5101, text: event({ type: 'message_start', message: { usage: { input_tokens: 5803 } } }) },
          { at_ms: 5104, text: event({ type: 'content_block_start', index: 0, content_block: { type: 'thinking' } }) },
          {
            at_ms: 5110,
            text: event({
              type: 'content_block_delta',
              index: 0,
              delta: { type: 'thinking_delta', thinking: 'The test fails because the wait is rounded down.' },
            }),
          },
          {
            at_ms: 10_020,
            text: event({
              type: 'content_block_delta',
              index: 1,
              delta: { type: 'text_delta', text: 'The header is written as 0 when the wait is under half a second.' },
            }),
          },
          {
            at_ms: 13_500,
            text: event({
              type: 'content_block_start',
              index: 2,
              content_block: { type: 'tool_use', id: 'toolu_01YkQ8', name: 'Edit' },
            }),
          },
          {
            at_ms: 13_510,
            text: event({
              type: 'content_block_delta',
              index: 2,
              delta: { type: 'input_json_delta', partial_json: '{"file_path":"src/core/errors.ts"}' },
            }),
          },
          {
            at_ms: 18_390,
            text: event({ type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 1204 } }),
          },
        ]
  return { status: 200, headers, chunks, bytes: chunks.reduce((sum, { text }) => sum + text.length, 0) }
}
