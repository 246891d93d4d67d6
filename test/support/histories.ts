import fc from 'fast-check'
import { fieldOf } from './chat-zai.ts'

/** The endpoints that take conversations, and the field of each. */
export interface Door {
  name: string
  path: string
  field: string
  bodyOf(entries: unknown): object
  messageOf(error: unknown): string
  /** Roles of this API that others do not have. */
  ownRoles: readonly string[]
  /** A request without messages loads the model. */
  takesNothing: boolean
}

function messageOf(body: unknown): string {
  const error = fieldOf(body, 'error')
  return typeof error === 'string' ? error : String(fieldOf(error, 'message'))
}

export const doors: readonly Door[] = [
  { name: 'chat', path: '/v1/chat/completions', field: 'messages' },
  { name: 'chat with the field of Responses', path: '/v1/chat/completions', field: 'input' },
  { name: 'responses', path: '/v1/responses', field: 'input' },
  { name: 'messages', path: '/v1/messages', field: 'messages' },
  {
    ...{ name: 'gemini', path: '/v1beta/models/glm-4.7:generateContent', field: 'contents' },
    // Without a role, a content is the user's.
    ownRoles: ['model', 'missing'],
  },
  { name: 'ollama', path: '/api/chat', field: 'messages', takesNothing: true },
].map((door) => ({
  ownRoles: [],
  takesNothing: false,
  ...door,
  bodyOf: (entries: unknown) => ({
    [door.field]: entries,
    ...(door.path.startsWith('/v1/') ? { max_tokens: 1_000 } : {}),
  }),
  messageOf,
}))

export const readable = { role: 'user', content: 'Readable words' }

const anything = fc.oneof(
  fc.constantFrom(null, true, 42, '', 'words', 'https://example.com/a.png', 'data:image/png;base64,AAAA'),
  fc.jsonValue({ maxDepth: 2 }),
)

const partTypes = [
  ...['text', 'image', 'document', 'search_result', 'tool_reference', 'container_upload', 'tool_result', 'tool_use'],
  ...['thinking', 'redacted_thinking', 'tool_addition', 'tool_removal', 'server_tool_use', 'web_search_tool_result'],
  ...['image_url', 'input_image', 'video_url', 'input_audio', 'file', 'input_file', 'input_text', 'output_text'],
  ...[
    'refusal',
    'summary_text',
    'reasoning',
    'computer_screenshot',
    'function_call',
    'custom_tool_call',
    'of_tomorrow',
  ],
]
const itemTypes = [
  ...['message', 'reasoning', 'function_call', 'function_call_output', 'custom_tool_call', 'custom_tool_call_output'],
  ...['local_shell_call', 'local_shell_call_output', 'shell_call', 'shell_call_output', 'apply_patch_call'],
  ...['apply_patch_call_output', 'tool_search_call', 'tool_search_output', 'additional_tools', 'web_search_call'],
  ...['item_reference', 'image_generation_call', 'computer_call', 'computer_call_output', 'mcp_call', 'program'],
  ...['compaction', 'configuration_update', 'of_tomorrow'],
]
const roles = ['user', 'assistant', 'system', 'developer', 'tool', 'function', 'User', 'ipython', 'model', 'robot', '']

const members = [
  ...['text', 'source', 'data', 'mimeType', 'content', 'title', 'context', 'citations', 'tool_use_id', 'is_error'],
  ...['id', 'name', 'input', 'thinking', 'signature', 'tool', 'image_url', 'file', 'file_id', 'file_data', 'output'],
  ...['call_id', 'arguments', 'action', 'operation', 'summary', 'encrypted_content', 'result', 'tools', 'status'],
  ...['reasoning_content', 'reasoning', 'tool_calls', 'function_call', 'tool_call_id', 'refusal', 'audio', 'parts'],
  ...['inlineData', 'fileData', 'functionCall', 'functionResponse', 'executableCode', 'thought', 'thoughtSignature'],
  ...['images', 'args', 'response', 'fileUri'],
  ...['clear_at', 'output_config', 'namespace', 'transformations', 'toolset_name', 'tool_name', 'query', 'type'],
]

type Members = Record<string, unknown>

/** The given object with up to four more fields of any name and value. */
const anyMembers = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Members> =>
  fc.dictionary(fc.constantFrom(...members), value, { maxKeys: 4 })

/** The objects in a field, valid in half of all cases. */
const inner = fc.oneof(
  anything,
  fc.record({
    type: fc.constantFrom('base64', 'url', 'file', 'text', 'content', 'exec'),
    data: anything,
    url: anything,
  }),
  fc.record({ function: fc.record({ name: anything, arguments: anything }), id: anything }).map((call) => [call]),
)

const part = fc.oneof(
  anything,
  anyMembers(inner),
  fc.tuple(fc.constantFrom(...partTypes), anyMembers(inner)).map(([type, given]): unknown => ({ type, ...given })),
)
const content = fc.oneof(anything, part, fc.array(part, { maxLength: 4 }))

const message = fc
  .tuple(fc.oneof(fc.constantFrom<unknown>(...roles), anything), content, anyMembers(inner))
  .map(([role, said, given]): unknown => ({ ...given, role, content: said }))
const item = fc
  .tuple(fc.constantFrom(...itemTypes), anyMembers(fc.oneof(inner, content)))
  .map(([type, given]): unknown => ({ ...given, type }))

/** Conversations with any value in any field. */
export function histories({ name }: Door): fc.Arbitrary<unknown[]> {
  const entry = fc.oneof(
    { arbitrary: message, weight: 4 },
    { arbitrary: item, weight: /messages|gemini|ollama/.test(name) ? 1 : 4 },
    { arbitrary: part, weight: 1 },
  )
  return fc.array(entry, { maxLength: 4 })
}
