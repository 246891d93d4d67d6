import { type Static, type TProperties, type TSchema, Type } from '@sinclair/typebox'

/** Clients send fields we have never heard of, and nothing in there may produce a 400. */
const open = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: true })
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const maybe = <T extends TSchema>(schema: T) => Type.Optional(orNull(schema))
const words = <T extends string>(...values: T[]) => values.map((value) => Type.Literal(value))
const jsonSchema = Type.Record(Type.String(), Type.Unknown())

const textPart = open({ type: Type.Literal('text'), text: Type.String() })
const refusalPart = open({ type: Type.Literal('refusal'), refusal: Type.String() })
const imagePart = open({
  type: Type.Literal('image_url'),
  image_url: Type.Union([Type.String(), open({ url: Type.String() })]),
})
const audioPart = open({ type: Type.Literal('input_audio') })
const filePart = open({
  type: Type.Literal('file'),
  file: open({ file_data: maybe(Type.String()), file_id: maybe(Type.String()), filename: maybe(Type.String()) }),
})

const textContent = orNull(Type.Union([Type.String(), Type.Array(textPart)]))
const userContent = orNull(
  Type.Union([Type.String(), Type.Array(Type.Union([textPart, imagePart, audioPart, filePart]))]),
)

const systemMessage = open({ role: Type.Union(words('system', 'developer')), content: textContent })
const userMessage = open({ role: Type.Literal('user'), content: userContent })
const calledFunction = open({ name: Type.String({ minLength: 1 }), arguments: maybe(Type.String()) })
const callId = Type.String({ minLength: 1 })
const functionCall = open({
  id: callId,
  type: maybe(Type.String({ pattern: '^(?!custom$)' })),
  function: calledFunction,
})
const customCall = open({
  id: callId,
  type: Type.Literal('custom'),
  custom: open({ name: Type.String({ minLength: 1 }), input: Type.String() }),
})
const assistantMessage = open({
  role: Type.Literal('assistant'),
  content: maybe(Type.Union([Type.String(), Type.Array(Type.Union([textPart, refusalPart]))])),
  refusal: maybe(Type.String()),
  /** Sent back by AI SDK, opencode, Qwen Code and pi; OpenRouter's clients call it `reasoning`. */
  reasoning_content: maybe(Type.String()),
  reasoning: Type.Optional(Type.Unknown()),
  tool_calls: maybe(Type.Array(Type.Union([functionCall, customCall]))),
  function_call: maybe(calledFunction),
})
const toolMessage = open({ role: Type.Literal('tool'), tool_call_id: Type.String(), content: userContent })
const functionMessage = open({ role: Type.Literal('function'), name: Type.String(), content: textContent })

const functionDefinition = open({
  name: Type.String({ minLength: 1 }),
  description: maybe(Type.String()),
  parameters: maybe(jsonSchema),
  strict: maybe(Type.Boolean()),
})
const functionTool = open({ type: Type.Optional(Type.Literal('function')), function: functionDefinition })
/** Tools a server runs itself (`web_search`), and OpenAI's `custom` ones. */
const otherTool = open({ type: Type.String({ pattern: '^(?!function$)' }) })

const namedFunction = open({ type: Type.Literal('function'), function: open({ name: Type.String() }) })
const toolChoice = Type.Union([
  ...words('none', 'auto', 'required'),
  namedFunction,
  open({ type: Type.Literal('custom'), custom: open({ name: Type.String() }) }),
  open({
    type: Type.Literal('allowed_tools'),
    allowed_tools: open({ mode: Type.Union(words('auto', 'required')), tools: Type.Array(namedFunction) }),
  }),
  open({ type: Type.Union(words('web_search', 'web_search_preview')) }),
])

const responseFormat = Type.Union([
  open({ type: Type.Union(words('text', 'json_object')) }),
  open({
    type: Type.Literal('json_schema'),
    json_schema: open({ name: maybe(Type.String()), schema: maybe(jsonSchema) }),
  }),
])

/** The body of `POST /chat/completions`, with the reasoning switches GLM's other servers know. */
export const chatBody = open({
  model: Type.String({ minLength: 1 }),
  messages: Type.Array(Type.Union([systemMessage, userMessage, assistantMessage, toolMessage, functionMessage])),
  tools: maybe(Type.Array(Type.Union([functionTool, otherTool]))),
  tool_choice: maybe(toolChoice),
  parallel_tool_calls: maybe(Type.Boolean()),
  functions: maybe(Type.Array(functionDefinition)),
  function_call: maybe(Type.Union([...words('none', 'auto'), open({ name: Type.String() })])),
  stream: maybe(Type.Boolean()),
  stream_options: maybe(open({ include_usage: maybe(Type.Boolean()) })),
  max_tokens: maybe(Type.Integer({ minimum: 1 })),
  max_completion_tokens: maybe(Type.Integer({ minimum: 1 })),
  temperature: maybe(Type.Number()),
  top_p: maybe(Type.Number()),
  stop: maybe(Type.Union([Type.String(), Type.Array(Type.String())])),
  n: maybe(Type.Integer({ minimum: 1 })),
  response_format: maybe(responseFormat),
  reasoning_effort: Type.Optional(Type.Unknown()),
  reasoning: maybe(
    open({ effort: Type.Optional(Type.Unknown()), enabled: maybe(Type.Boolean()), max_tokens: maybe(Type.Integer()) }),
  ),
  thinking: maybe(open({ type: Type.String(), budget_tokens: maybe(Type.Integer()) })),
  enable_thinking: maybe(Type.Boolean()),
  chat_template_kwargs: maybe(open({ enable_thinking: maybe(Type.Boolean()) })),
  web_search_options: maybe(open({})),
  store: maybe(Type.Boolean()),
  service_tier: maybe(Type.String()),
  verbosity: maybe(Type.String()),
  seed: maybe(Type.Number()),
  logprobs: maybe(Type.Boolean()),
  top_logprobs: maybe(Type.Number()),
  logit_bias: maybe(open({})),
  frequency_penalty: maybe(Type.Number()),
  presence_penalty: maybe(Type.Number()),
  audio: maybe(open({})),
  modalities: maybe(Type.Array(Type.String())),
  prediction: maybe(open({})),
})

export type ChatBody = Static<typeof chatBody>
export type MessageBody = ChatBody['messages'][number]
export type AssistantBody = Static<typeof assistantMessage>
export type UserContent = Static<typeof userContent>
export type TextContent = Static<typeof textContent>
export type FilePart = Static<typeof filePart>
export type FunctionDefinition = Static<typeof functionDefinition>
export type FunctionTool = Static<typeof functionTool>
export type ToolBody = FunctionTool | Static<typeof otherTool>
