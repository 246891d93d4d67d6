import { type Static, Type } from '@sinclair/typebox'
import { longestModelName } from '../../core/model-name.ts'
import { maybe, open, orElse } from '../../json/lenient-schema.ts'
import { content } from './block-schema.ts'
import { legacyFunction, toolBody, toolChoice } from './tool-schema.ts'

const strings = Type.Array(Type.String())
const anything = Type.Optional(Type.Unknown())

/** Other content of a conversation is read, too: see ../openai/conversation-entries.ts. */
const message = open({
  /**
   * Claude Code sends its environment after the first prompt as `system`. The last three are roles of OpenAI's Chat
   * API.
   */
  role: Type.Union([
    Type.Literal('user'),
    Type.Literal('assistant'),
    Type.Literal('system'),
    Type.Literal('developer'),
    Type.Literal('tool'),
    Type.Literal('function'),
  ]),
  content: Type.Optional(content),
  clear_at: maybe(Type.String()),
  output_config: anything,
  // Calls in OpenAI's form, and their results.
  tool_calls: anything,
  function_call: anything,
  tool_call_id: anything,
})

const format = Type.Union([
  open({ type: Type.Literal('json_schema'), schema: Type.Record(Type.String(), Type.Unknown()) }),
  open({ type: Type.Literal('text') }),
])
const openaiFormat = open({
  type: Type.String(),
  json_schema: maybe(open({ schema: maybe(Type.Record(Type.String(), Type.Unknown())), name: maybe(Type.String()) })),
})

const thinking = open({
  type: Type.String(),
  budget_tokens: maybe(Type.Integer()),
  display: maybe(Type.String()),
  block_binding: anything,
})

const amount = open({ type: maybe(Type.String()), value: maybe(Type.Number()) })
const contextEdit = open({
  type: Type.String(),
  keep: maybe(Type.Union([Type.Literal('all'), amount])),
  trigger: maybe(amount),
  clear_at_least: maybe(amount),
  clear_tool_inputs: maybe(Type.Union([Type.Boolean(), strings])),
  exclude_tools: maybe(strings),
})

const mcpServer = open({
  type: maybe(Type.String()),
  name: Type.String({ minLength: 1 }),
  url: Type.String({ minLength: 1 }),
  authorization_token: maybe(Type.String()),
  tool_configuration: maybe(open({ enabled: maybe(Type.Boolean()), allowed_tools: maybe(strings) })),
})

/** The body of `POST /messages` and of `/messages/count_tokens`, which has no `max_tokens`. */
export const messagesBody = open({
  model: Type.String({ minLength: 1, maxLength: longestModelName }),
  messages: Type.Union([Type.Array(orElse(message)), Type.String(), open({})]),
  system: Type.Optional(content),
  max_tokens: maybe(Type.Integer({ minimum: 1 })),
  tools: maybe(Type.Array(toolBody)),
  tool_choice: maybe(toolChoice),
  stop_sequences: maybe(strings),
  temperature: maybe(Type.Number({ minimum: 0, maximum: 1 })),
  top_p: maybe(Type.Number({ minimum: 0, maximum: 1 })),
  top_k: maybe(Type.Number()),
  thinking: maybe(thinking),
  output_config: maybe(open({ effort: maybe(Type.String()), format: maybe(format), task_budget: anything })),
  output_format: maybe(format),
  stream: maybe(Type.Boolean()),
  // The user id is not passed on, and Z.AI decides what is cached.
  metadata: anything,
  cache_control: anything,
  // Labels of usage, for a gateway that counts by them.
  tags: anything,
  thread: anything,
  safeguards: anything,
  compaction: anything,
  context_management: maybe(open({ edits: maybe(Type.Array(contextEdit)) })),
  mcp_servers: maybe(Type.Array(mcpServer)),
  // Reported as ignored if they ask for something: see ignored.ts.
  billing_policy: anything,
  container: anything,
  diagnostics: anything,
  fallback_credit_token: anything,
  fallbacks: anything,
  inference_geo: anything,
  service_tier: anything,
  speed: anything,
  user_profile_id: anything,
  workspace_id: anything,
  n: anything,
  seed: anything,
  logprobs: anything,
  logit_bias: anything,
  frequency_penalty: anything,
  presence_penalty: anything,
  // The same options under the names of OpenAI's APIs.
  functions: maybe(Type.Array(legacyFunction)),
  max_completion_tokens: maybe(Type.Integer({ minimum: 1 })),
  max_output_tokens: maybe(Type.Integer({ minimum: 1 })),
  parallel_tool_calls: maybe(Type.Boolean()),
  reasoning_effort: maybe(Type.String()),
  response_format: maybe(openaiFormat),
  stop: maybe(Type.Union([Type.String(), strings])),
})

export type MessagesBody = Static<typeof messagesBody>
