import { type Static, type TObject, type TSchema, type TUnion, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { longestModelName } from '../../core/model-name.ts'
import { maybe, open, orNull, otherThan, words } from '../../json/lenient-schema.ts'
import type { Fields } from '../openai/json-fields.ts'

const jsonSchema = Type.Record(Type.String(), Type.Unknown())
const name = Type.String({ minLength: 1 })
const anything = Type.Optional(Type.Unknown())

const textPart = open({
  type: Type.Union(words('input_text', 'output_text', 'summary_text', 'text')),
  text: Type.String(),
})
const refusalPart = open({ type: Type.Literal('refusal'), refusal: Type.String() })
const imagePart = open({
  type: Type.Literal('input_image'),
  image_url: maybe(Type.String()),
  file_id: maybe(Type.String()),
})
const filePart = open({
  type: Type.Literal('input_file'),
  file_data: maybe(Type.String()),
  file_url: maybe(Type.String()),
  file_id: maybe(Type.String()),
  filename: maybe(Type.String()),
})
const audioPart = open({ type: Type.Literal('input_audio') })
const content = Type.Union([
  Type.String(),
  Type.Array(Type.Union([textPart, refusalPart, imagePart, filePart, audioPart])),
])

const signature = {
  description: maybe(Type.String()),
  parameters: maybe(jsonSchema),
  strict: maybe(Type.Boolean()),
}
const functionTool = open({ type: Type.Literal('function'), name, ...signature })
/** Takes free text instead of JSON. A grammar may restrict the text. */
const customTool = open({
  type: Type.Literal('custom'),
  name,
  description: maybe(Type.String()),
  format: maybe(
    Type.Union([
      open({ type: Type.Literal('text') }),
      open({ type: Type.Literal('grammar'), syntax: Type.String(), definition: Type.String() }),
    ]),
  ),
})
const namespaceTool = open({
  type: Type.Literal('namespace'),
  name,
  description: maybe(Type.String()),
  tools: Type.Array(Type.Union([functionTool, customTool])),
})
const localShellTool = open({ type: Type.Literal('local_shell') })
/** Runs at the client, unless its environment is a container of OpenAI's. */
const shellTool = open({
  type: Type.Literal('shell'),
  environment: maybe(open({ type: Type.String() })),
})
const applyPatchTool = open({ type: Type.Literal('apply_patch') })
/** With `execution: client` the client searches, and returns the tools that it found. */
const toolSearchTool = open({
  type: Type.Literal('tool_search'),
  execution: maybe(Type.String()),
  description: maybe(Type.String()),
  parameters: maybe(jsonSchema),
})
const clientTool = Type.Union([
  functionTool,
  customTool,
  namespaceTool,
  localShellTool,
  shellTool,
  applyPatchTool,
  toolSearchTool,
])
const clientTypes = typesOf(clientTool)
const mcpFilter = open({ tool_names: maybe(Type.Array(Type.String())), read_only: maybe(Type.Boolean()) })
/** A server whose tools the gateway calls. */
const mcpTool = open({
  type: Type.Literal('mcp'),
  server_label: name,
  server_url: maybe(Type.String()),
  server_description: maybe(Type.String()),
  connector_id: maybe(Type.String()),
  tunnel_id: maybe(Type.String()),
  authorization: maybe(Type.String()),
  headers: maybe(Type.Record(Type.String(), Type.String())),
  allowed_tools: maybe(Type.Union([Type.Array(Type.String()), mcpFilter])),
  require_approval: maybe(
    Type.Union([...words('always', 'never'), open({ always: maybe(mcpFilter), never: maybe(mcpFilter) })]),
  ),
})
/** Tools that OpenAI runs itself: `web_search`, `file_search`. */
const otherTool = open({
  type: otherThan(...clientTypes, 'mcp'),
  filters: maybe(
    open({ allowed_domains: maybe(Type.Array(Type.String())), blocked_domains: maybe(Type.Array(Type.String())) }),
  ),
  search_context_size: maybe(Type.String()),
})
const tool = Type.Union([...clientTool.anyOf, mcpTool, otherTool])
const tools = Type.Array(tool)
/** The forms of Chat Completions and Messages. */
const toolsOfOthers = [
  open({ type: Type.Optional(Type.Literal('function')), function: open({ ...signature, name }) }),
  open({ type: maybe(Type.Literal('custom')), custom: open({ name, description: maybe(Type.String()) }) }),
  open({ type: Type.Optional(Type.Null()), name, description: maybe(Type.String()), parameters: orNull(jsonSchema) }),
  open({
    type: Type.Optional(Type.Literal('custom')),
    name,
    description: maybe(Type.String()),
    input_schema: orNull(jsonSchema),
  }),
]

const id = { id: maybe(Type.String()) }
const call = { ...id, call_id: name }
const messageItem = open({
  ...id,
  type: maybe(Type.Literal('message')),
  role: Type.Union(words('user', 'assistant', 'system', 'developer')),
  content,
})
const reasoningItem = open({
  ...id,
  type: Type.Literal('reasoning'),
  summary: maybe(Type.Array(open({ text: Type.String() }))),
  content: maybe(Type.Array(open({ text: Type.String() }))),
  encrypted_content: maybe(Type.String()),
})
const functionCallItem = open({
  ...call,
  type: Type.Literal('function_call'),
  name,
  namespace: maybe(Type.String()),
  arguments: Type.String(),
})
const customCallItem = open({
  ...call,
  type: Type.Literal('custom_tool_call'),
  name,
  namespace: maybe(Type.String()),
  input: Type.String(),
})
const localShellCallItem = open({
  ...id,
  type: Type.Literal('local_shell_call'),
  call_id: maybe(Type.String()),
  action: open({
    command: Type.Array(Type.String()),
    env: maybe(jsonSchema),
    timeout_ms: maybe(Type.Number()),
    working_directory: maybe(Type.String()),
  }),
})
const shellCallItem = open({
  ...call,
  type: Type.Literal('shell_call'),
  action: open({
    commands: Type.Array(Type.String()),
    timeout_ms: maybe(Type.Number()),
    max_output_length: maybe(Type.Number()),
  }),
})
const applyPatchCallItem = open({
  ...call,
  type: Type.Literal('apply_patch_call'),
  operation: open({ type: Type.String(), path: Type.String(), diff: maybe(Type.String()) }),
})
const toolSearchCallItem = open({
  ...id,
  type: Type.Literal('tool_search_call'),
  call_id: maybe(Type.String()),
  arguments: Type.Unknown(),
})
const outputItem = open({
  ...call,
  type: Type.Union(words('function_call_output', 'custom_tool_call_output')),
  output: content,
})
/** OpenAI names the call by the `id` of its item, older clients by `call_id`. */
const localShellOutputItem = open({
  ...id,
  type: Type.Literal('local_shell_call_output'),
  call_id: maybe(Type.String()),
  output: content,
})
const shellOutputItem = open({
  ...call,
  type: Type.Literal('shell_call_output'),
  output: Type.Array(
    open({
      stdout: Type.String(),
      stderr: Type.String(),
      outcome: open({ type: Type.String(), exit_code: maybe(Type.Number()) }),
    }),
  ),
})
const applyPatchOutputItem = open({
  ...call,
  type: Type.Literal('apply_patch_call_output'),
  status: maybe(Type.String()),
  output: maybe(Type.String()),
})
const toolSearchOutputItem = open({
  ...id,
  type: Type.Literal('tool_search_output'),
  call_id: maybe(Type.String()),
  tools,
})
const additionalToolsItem = open({ ...id, type: Type.Literal('additional_tools'), tools })
const webSearchCallItem = open({
  ...id,
  type: Type.Literal('web_search_call'),
  action: Type.Optional(Type.Unknown()),
})
const itemReference = open({ type: Type.Literal('item_reference'), id: name })
const compactionTrigger = open({ type: Type.Literal('compaction_trigger') })
/** The known items. Items of a history may have invalid fields: conversation.ts reads whatever comes. */
const knownItem = Type.Union([
  messageItem,
  reasoningItem,
  functionCallItem,
  customCallItem,
  localShellCallItem,
  shellCallItem,
  applyPatchCallItem,
  toolSearchCallItem,
  outputItem,
  localShellOutputItem,
  shellOutputItem,
  applyPatchOutputItem,
  toolSearchOutputItem,
  additionalToolsItem,
  webSearchCallItem,
  itemReference,
  compactionTrigger,
])
export const toolChoice = Type.Union([
  ...words('none', 'auto', 'required'),
  open({
    type: Type.Literal('allowed_tools'),
    mode: Type.Union(words('auto', 'required')),
    tools: Type.Array(open({ type: Type.String(), name: maybe(Type.String()), namespace: maybe(Type.String()) })),
  }),
  open({ type: Type.Union(words('function', 'custom')), name, namespace: maybe(Type.String()) }),
  open({ type: Type.String({ pattern: '^(?!(allowed_tools|function|custom)$)' }) }),
])

/** The names in Chat Completions and Messages. */
const choicesOfOthers = [
  open({ type: Type.Literal('function'), function: open({ name }) }),
  open({ type: Type.Literal('custom'), custom: open({ name }) }),
  open({ type: Type.Literal('allowed_tools'), allowed_tools: open({}) }),
]

export const textFormat = Type.Union([
  open({ type: Type.Union(words('text', 'json_object')) }),
  open({
    type: Type.Literal('json_schema'),
    name: maybe(Type.String()),
    description: maybe(Type.String()),
    schema: maybe(jsonSchema),
    strict: maybe(Type.Boolean()),
  }),
])

/** The body of `POST /responses`. */
export const responsesBody = open({
  model: Type.String({ minLength: 1, maxLength: longestModelName }),
  input: maybe(Type.Union([Type.String(), Type.Array(Type.Union([Type.Unknown(), ...knownItem.anyOf])), open({})])),
  instructions: maybe(Type.String()),
  previous_response_id: maybe(Type.String()),
  tools: maybe(Type.Array(Type.Union([...tool.anyOf, ...toolsOfOthers]))),
  tool_choice: maybe(Type.Union([...toolChoice.anyOf, ...choicesOfOthers])),
  parallel_tool_calls: maybe(Type.Boolean()),
  max_output_tokens: maybe(Type.Integer({ minimum: 16 })),
  temperature: maybe(Type.Number({ minimum: 0, maximum: 2 })),
  top_p: maybe(Type.Number({ minimum: 0, maximum: 1 })),
  reasoning: maybe(
    open({
      effort: Type.Optional(Type.Unknown()),
      summary: maybe(Type.String()),
      generate_summary: maybe(Type.String()),
    }),
  ),
  text: maybe(open({ format: maybe(textFormat), verbosity: maybe(Type.String()) })),
  include: maybe(Type.Array(Type.String())),
  store: maybe(Type.Boolean()),
  stream: maybe(Type.Boolean()),
  metadata: maybe(open({})),
  user: maybe(Type.String()),
  safety_identifier: maybe(Type.String()),
  prompt_cache_key: maybe(Type.String()),
  truncation: maybe(Type.String()),
  background: maybe(Type.Boolean()),
  conversation: Type.Optional(Type.Unknown()),
  prompt: Type.Optional(Type.Unknown()),
  prompt_cache_retention: maybe(Type.String()),
  max_tool_calls: maybe(Type.Integer({ minimum: 1 })),
  top_logprobs: maybe(Type.Integer({ minimum: 0, maximum: 20 })),
  context_management: maybe(Type.Array(Type.Unknown())),
  moderation: anything,
  // Reported as ignored if they ask for something: see ignored.ts.
  access_programs: anything,
  background_options: anything,
  image: anything,
  personality: anything,
  prompt_cache_options: anything,
  service_tier: anything,
  stream_options: anything,
  frequency_penalty: anything,
  logit_bias: anything,
  logprobs: anything,
  n: anything,
  presence_penalty: anything,
  seed: anything,
  // The same options under the names of Chat Completions and Messages: see body-variants.ts.
  messages: anything,
  system: anything,
  functions: anything,
  function_call: anything,
  max_tokens: anything,
  max_completion_tokens: anything,
  response_format: anything,
  verbosity: anything,
  reasoning_effort: anything,
  thinking: anything,
  enable_thinking: anything,
  stop: anything,
  // It is sent over a WebSocket only: `false` prepares a conversation without a reply.
  generate: maybe(Type.Boolean()),
  // Codex's metadata about itself.
  client_metadata: anything,
})

export type ResponsesBody = Static<typeof responsesBody>
export type ItemBody = Fields
export type FlatChoice = Static<typeof toolChoice>
export type TextFormat = Static<typeof textFormat>
export type ClientTool = Static<typeof clientTool>
export type McpToolBody = Static<typeof mcpTool>
export type ToolBody = ClientTool | McpToolBody | Static<typeof otherTool>
export type FunctionTool = Static<typeof functionTool>
export type CustomTool = Static<typeof customTool>
export type ToolSearchTool = Static<typeof toolSearchTool>

/** For tools that have not been checked, because they are in an item. */
export function isTool(value: unknown): value is ToolBody {
  return Value.Check(tool, value)
}

export function isClientTool(tool: ToolBody): tool is ClientTool {
  const runsElsewhere = tool.type === 'shell' && 'environment' in tool && isContainer(tool.environment)
  return clientTypes.has(tool.type) && !runsElsewhere
}

function isContainer(environment: unknown): boolean {
  if (typeof environment !== 'object' || environment === null || !('type' in environment)) return false
  return environment.type !== 'local'
}

function typesOf(union: TUnion<TObject[]>): Set<string> {
  return new Set(union.anyOf.flatMap(({ properties }) => constantsOf(properties.type)))
}

/** The values of a schema that is one literal, or a union of literals. */
function constantsOf(schema: TSchema | undefined): string[] {
  if (schema === undefined) return []
  return 'const' in schema ? [String(schema.const)] : (schema.anyOf ?? []).flatMap(constantsOf)
}
