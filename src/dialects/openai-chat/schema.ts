import { type Static, Type } from '@sinclair/typebox'
import { longestModelName } from '../../core/model-name.ts'
import { maybe, open, words } from '../../json/lenient-schema.ts'

const jsonSchema = Type.Record(Type.String(), Type.Unknown())
const anything = Type.Optional(Type.Unknown())
const name = Type.String({ minLength: 1 })

/** A text, a list of parts, or one part. The fields of a part are not checked but read: see ../openai/content.ts. */
const content = maybe(Type.Union([Type.String(), Type.Array(Type.Unknown()), open({})]))

const message = open({
  role: Type.Union(words('system', 'developer', 'user', 'assistant', 'tool', 'function')),
  content,
})
/** An item of Responses: calls, results and reasoning are items beside the messages. */
const item = open({ role: Type.Optional(Type.Null()), type: Type.String({ minLength: 1 }) })
/** The known forms of an entry. Others are read, too: see ../openai/conversation-entries.ts. */
const entries = Type.Union([Type.Array(Type.Union([Type.Unknown(), message, item])), Type.String(), open({})])

const signature = {
  name,
  description: maybe(Type.String()),
  parameters: maybe(jsonSchema),
  /** The name in Messages. */
  input_schema: maybe(jsonSchema),
  strict: maybe(Type.Boolean()),
}
const functionDefinition = open(signature)
const customDefinition = open({ name, description: maybe(Type.String()), format: maybe(open({})) })
const tool = Type.Union([
  open({ type: maybe(Type.Literal('function')), function: functionDefinition }),
  open({ type: maybe(Type.Literal('function')), ...signature }),
  open({ type: maybe(Type.Literal('custom')), custom: customDefinition }),
  open({ type: Type.Literal('custom'), name, description: maybe(Type.String()), input_schema: maybe(jsonSchema) }),
  /** Tools that a server runs itself (`web_search`, `mcp`). */
  open({ type: Type.String({ pattern: '^(?!(function|custom)$)' }) }),
])

const named = open({ name })
const allowance = { mode: maybe(Type.Union(words('none', 'auto', 'required', 'any'))), tools: Type.Array(open({})) }
const toolChoice = Type.Union([
  ...words('none', 'auto', 'required', 'any'),
  open({ type: Type.Optional(Type.Literal('function')), function: named }),
  open({ type: Type.Optional(Type.Union(words('function', 'tool', 'custom'))), name }),
  open({ type: Type.Literal('custom'), custom: named }),
  open({ type: Type.Literal('allowed_tools'), allowed_tools: open(allowance) }),
  open({ type: Type.Literal('allowed_tools'), ...allowance }),
  open({ type: Type.String({ pattern: '^(?!(function|tool|custom|allowed_tools)$)' }) }),
])

const responseFormat = Type.Union([
  /** Other hosts also accept a schema here. */
  open({ type: Type.Union(words('text', 'json_object')), schema: maybe(jsonSchema) }),
  open({
    type: Type.Literal('json_schema'),
    json_schema: open({ name: maybe(Type.String()), description: maybe(Type.String()), schema: maybe(jsonSchema) }),
  }),
  /** The names in Responses and Messages. */
  open({
    type: Type.Literal('json_schema'),
    json_schema: Type.Optional(Type.Null()),
    name: maybe(Type.String()),
    description: maybe(Type.String()),
    schema: maybe(jsonSchema),
  }),
])

const tokens = maybe(Type.Integer({ minimum: 1 }))
const penalty = maybe(Type.Number({ minimum: -2, maximum: 2 }))

/**
 * The body of `POST /chat/completions`, with the reasoning switches of other GLM servers, and with the fields of
 * Responses and Messages, which programs post here, too. Numbers have the ranges of OpenAI's API reference.
 */
export const chatBody = open({
  model: Type.String({ minLength: 1, maxLength: longestModelName }),
  messages: maybe(entries),
  input: maybe(entries),
  instructions: maybe(Type.String()),
  system: maybe(Type.Union([Type.String(), Type.Array(Type.Unknown())])),
  tools: maybe(Type.Array(tool)),
  tool_choice: maybe(toolChoice),
  parallel_tool_calls: maybe(Type.Boolean()),
  functions: maybe(Type.Array(functionDefinition)),
  function_call: maybe(Type.Union([...words('none', 'auto'), named])),
  stream: maybe(Type.Boolean()),
  stream_options: maybe(open({ include_usage: maybe(Type.Boolean()) })),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  max_output_tokens: tokens,
  temperature: maybe(Type.Number({ minimum: 0, maximum: 2 })),
  top_p: maybe(Type.Number({ minimum: 0, maximum: 1 })),
  top_k: anything,
  stop: maybe(Type.Union([Type.String(), Type.Array(Type.String())])),
  stop_sequences: maybe(Type.Array(Type.String())),
  n: maybe(Type.Integer({ minimum: 1, maximum: 128 })),
  response_format: maybe(responseFormat),
  text: maybe(open({ format: maybe(responseFormat), verbosity: anything })),
  output_config: maybe(open({ format: maybe(responseFormat), effort: anything })),
  reasoning_effort: anything,
  reasoning: anything,
  thinking: anything,
  thinking_budget: anything,
  enable_thinking: anything,
  chat_template_kwargs: anything,
  web_search_options: maybe(open({})),
  store: maybe(Type.Boolean()),
  service_tier: maybe(Type.String()),
  verbosity: anything,
  seed: maybe(Type.Number()),
  logprobs: maybe(Type.Boolean()),
  top_logprobs: maybe(Type.Integer({ minimum: 0, maximum: 20 })),
  logit_bias: maybe(open({})),
  frequency_penalty: penalty,
  presence_penalty: penalty,
  audio: maybe(open({})),
  modalities: maybe(Type.Array(Type.String())),
  prediction: maybe(open({})),
  moderation: anything,
  previous_response_id: anything,
  conversation: anything,
  prompt: anything,
  background: anything,
  max_tool_calls: anything,
  truncation: anything,
  mcp_servers: anything,
  container: anything,
  include: maybe(Type.Array(Type.String())),
  include_reasoning: anything,
  repetition_penalty: anything,
  min_p: anything,
  top_a: anything,
  do_sample: anything,
  extra_body: anything,
  // Options that change nothing in a reply: labels, caches, the user, and streamed arguments, which are requested
  // anyway.
  client_metadata: anything,
  metadata: anything,
  prompt_cache_key: anything,
  prompt_cache_options: anything,
  prompt_cache_retention: anything,
  safety_identifier: anything,
  tool_stream: anything,
  user: anything,
  user_id: anything,
})

export type ChatBody = Static<typeof chatBody>
export type ToolBody = Static<typeof tool>
export type FormatBody = Static<typeof responseFormat>
