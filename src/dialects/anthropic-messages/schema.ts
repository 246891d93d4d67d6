import { type Static, type TProperties, type TSchema, Type } from '@sinclair/typebox'

/** Clients send fields we have never heard of, and nothing in there may produce a 400. */
const open = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: true })
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const maybe = <T extends TSchema>(schema: T) => Type.Optional(orNull(schema))
const strings = Type.Array(Type.String())
/** A block whose content is only ever passed on as text. */
const opaque = <T extends string>(type: T) =>
  open({ type: Type.Literal(type), content: Type.Optional(Type.Unknown()), input: Type.Optional(Type.Unknown()) })

const base64Source = open({ type: Type.Literal('base64'), media_type: Type.String(), data: Type.String() })
const urlSource = open({ type: Type.Literal('url'), url: Type.String() })
const fileSource = open({ type: Type.Literal('file'), file_id: Type.String() })

const textBlock = open({ type: Type.Literal('text'), text: Type.String() })
const imageBlock = open({ type: Type.Literal('image'), source: Type.Union([base64Source, urlSource, fileSource]) })
const documentBlock = open({
  type: Type.Literal('document'),
  source: Type.Union([
    base64Source,
    urlSource,
    fileSource,
    open({ type: Type.Literal('text'), data: Type.String() }),
    open({
      type: Type.Literal('content'),
      content: Type.Union([Type.String(), Type.Array(Type.Union([textBlock, imageBlock]))]),
    }),
  ]),
  title: maybe(Type.String()),
  context: maybe(Type.String()),
})
const searchResultBlock = open({
  type: Type.Literal('search_result'),
  source: Type.String(),
  title: Type.String(),
  content: Type.Array(textBlock),
})
/** Claude Code's ToolSearch answers with these; the tool itself is in `tools` with `defer_loading`. */
const toolReferenceBlock = open({ type: Type.Literal('tool_reference'), tool_name: Type.String() })

const toolResultBlock = open({
  type: Type.Literal('tool_result'),
  tool_use_id: Type.String(),
  content: maybe(
    Type.Union([
      Type.String(),
      Type.Array(Type.Union([textBlock, imageBlock, documentBlock, searchResultBlock, toolReferenceBlock])),
    ]),
  ),
  is_error: maybe(Type.Boolean()),
})

const toolUseBlock = open({
  type: Type.Literal('tool_use'),
  id: Type.String({ minLength: 1 }),
  name: Type.String({ minLength: 1 }),
  input: Type.Unknown(),
})
const thinkingBlock = open({
  type: Type.Literal('thinking'),
  thinking: Type.String(),
  signature: maybe(Type.String()),
})
const redactedThinkingBlock = open({ type: Type.Literal('redacted_thinking') })
const serverToolUseBlock = open({ type: Type.Literal('server_tool_use'), name: Type.String(), input: Type.Unknown() })
const webSearchResultBlock = open({
  type: Type.Literal('web_search_tool_result'),
  content: Type.Union([
    Type.Array(open({ title: maybe(Type.String()), url: Type.String() })),
    open({ error_code: Type.String() }),
  ]),
})
/** Histories that began on another server carry the results of tools it ran. */
const foreignResultBlock = Type.Union([
  opaque('web_fetch_tool_result'),
  opaque('code_execution_tool_result'),
  opaque('bash_code_execution_tool_result'),
  opaque('text_editor_code_execution_tool_result'),
  opaque('tool_search_tool_result'),
  opaque('mcp_tool_use'),
  opaque('mcp_tool_result'),
  opaque('advisor_tool_result'),
  opaque('container_upload'),
  // What another server has left of a long conversation.
  opaque('compaction'),
])
const toolChange = <T extends string>(type: T) =>
  open({ type: Type.Literal(type), tool: open({ type: Type.String(), name: Type.Optional(Type.String()) }) })

const userMessage = open({
  role: Type.Literal('user'),
  content: Type.Union([
    Type.String(),
    Type.Array(Type.Union([textBlock, imageBlock, documentBlock, searchResultBlock, toolResultBlock])),
  ]),
})
const assistantMessage = open({
  role: Type.Literal('assistant'),
  content: Type.Union([
    Type.String(),
    Type.Array(
      Type.Union([
        textBlock,
        thinkingBlock,
        redactedThinkingBlock,
        toolUseBlock,
        serverToolUseBlock,
        webSearchResultBlock,
        ...foreignResultBlock.anyOf,
      ]),
    ),
  ]),
})
/** Claude Code puts its environment behind the first prompt this way. */
const systemMessage = open({
  role: Type.Literal('system'),
  content: Type.Union([
    Type.String(),
    Type.Array(Type.Union([textBlock, toolChange('tool_addition'), toolChange('tool_removal')])),
  ]),
})

const customTool = open({
  type: maybe(Type.Literal('custom')),
  name: Type.String({ minLength: 1 }),
  description: maybe(Type.String()),
  input_schema: Type.Record(Type.String(), Type.Unknown()),
  defer_loading: maybe(Type.Boolean()),
  strict: maybe(Type.Boolean()),
})
/** Tools Anthropic runs itself; their type ends in a date: `web_search_20250305`. */
const serverTool = open({
  type: Type.String({ pattern: '^(?!custom$)' }),
  name: maybe(Type.String()),
  max_uses: maybe(Type.Number()),
  allowed_domains: maybe(strings),
  blocked_domains: maybe(strings),
})

const parallel = { disable_parallel_tool_use: maybe(Type.Boolean()) }
const toolChoice = Type.Union([
  open({ type: Type.Literal('auto'), ...parallel }),
  open({ type: Type.Literal('any'), ...parallel }),
  open({ type: Type.Literal('tool'), name: Type.String(), ...parallel }),
  open({ type: Type.Literal('none') }),
])

const format = Type.Union([
  open({ type: Type.Literal('json_schema'), schema: Type.Record(Type.String(), Type.Unknown()) }),
  open({ type: Type.Literal('text') }),
])

/** The body of `POST /messages` and of `/messages/count_tokens`, which has no `max_tokens`. */
export const messagesBody = open({
  model: Type.String({ minLength: 1 }),
  messages: Type.Array(Type.Union([userMessage, assistantMessage, systemMessage])),
  system: maybe(Type.Union([Type.String(), Type.Array(textBlock)])),
  max_tokens: maybe(Type.Integer({ minimum: 1 })),
  tools: maybe(Type.Array(Type.Union([customTool, serverTool]))),
  tool_choice: maybe(toolChoice),
  stop_sequences: maybe(strings),
  temperature: maybe(Type.Number()),
  top_p: maybe(Type.Number()),
  top_k: maybe(Type.Number()),
  thinking: maybe(open({ type: Type.String(), budget_tokens: maybe(Type.Integer()), display: maybe(Type.String()) })),
  output_config: maybe(open({ effort: maybe(Type.String()), format: maybe(format) })),
  output_format: maybe(format),
  container: Type.Optional(Type.Unknown()),
  mcp_servers: maybe(Type.Array(Type.Unknown())),
  thread: Type.Optional(Type.Unknown()),
  stream: maybe(Type.Boolean()),
})

export type MessagesBody = Static<typeof messagesBody>
export type MessageBody = MessagesBody['messages'][number]
export type UserBlock = Exclude<Static<typeof userMessage>['content'], string>[number]
export type AssistantBlock = Exclude<Static<typeof assistantMessage>['content'], string>[number]
export type ResultBlock = Exclude<NonNullable<Static<typeof toolResultBlock>['content']>, string>[number]
export type DocumentBlock = Static<typeof documentBlock>
export type ImageBlock = Static<typeof imageBlock>
export type SystemContent = NonNullable<MessagesBody['system']> | Static<typeof systemMessage>['content']
export type CustomTool = Static<typeof customTool>
export type ServerTool = Static<typeof serverTool>
export type ToolBody = CustomTool | ServerTool
