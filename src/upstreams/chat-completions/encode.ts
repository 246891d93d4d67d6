import { GatewayError } from '../../core/errors.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import { outputInstruction } from '../../core/output-instruction.ts'
import {
  type AssistantPart,
  type ChatRequest,
  type ImagePart,
  type Message,
  type Tool,
  textOf,
  type UserPart,
} from '../../core/request.ts'
import type { ChatModel } from './models.ts'
import type { RequestRules } from './profile.ts'
import type { EncodedRequest } from './request-body.ts'
import { toolChoiceFields } from './tool-choice.ts'

export interface EncodeOptions {
  model: ChatModel
  requestId: string
  rules: RequestRules
  /** Name of the server, for errors: `Z.AI`. */
  label: string
  /** The tools that the reply may call. */
  tools: readonly Tool[]
  /** The last reply lacked the tool call that the client requires: ask the model for it explicitly. */
  forceToolCall: boolean
}

/**
 * Encodes one request, with the messages of `normaliseConversation`, for the profile's API. The result is valid whatever
 * the client sent.
 * Errors: `invalid-request` if there are more tools than the API takes.
 */
export function encode(request: ChatRequest, options: EncodeOptions): EncodedRequest {
  const { model, rules, tools, forceToolCall } = options
  const callInstructions = callInstructionsOf(request, tools)
  const systemInstructions = rules.toolChoice === 'prompted' || forceToolCall ? callInstructions : []
  // A server that enforces a schema needs no instruction. With tools it cannot enforce one, since the model could not
  // call them.
  const format = rules.schemaInWords || tools.length > 0 ? outputInstruction(request, tools.length > 0) : undefined
  const allMessages = withRules(
    forceToolCall ? [...request.messages, forceToolCallMessage(callInstructions)] : request.messages,
    [...systemInstructions, ...(format === undefined ? [] : [format])],
  )
  return {
    model: model.upstreamId,
    messages: allMessages.map((message) => encodeMessage(message, options)),
    ...rules.always(options.requestId),
    stream: true,
    ...rules.reasoning(request.reasoning, model),
    ...sentSampling(request, options),
    ...formatOf(request, options),
    ...toolsOf(request, options),
  }
}

/** Forced JSON output is not used with tools: the model would write its calls as an answer. */
function formatOf({ output }: ChatRequest, { rules, tools }: EncodeOptions): object {
  return output.type === 'json' && tools.length === 0 ? rules.responseFormat(output) : {}
}

/** What the client requires of calls, as instructions for a model whose server has no field for it. */
function callInstructionsOf({ toolChoice, parallelToolCalls }: ChatRequest, tools: readonly Tool[]): string[] {
  if (tools.length === 0) return []
  return [
    ...(toolChoice === 'required' ? ['This time you must call a tool; do not answer without a call.'] : []),
    ...(typeof toolChoice === 'object'
      ? [`This time you must call the tool ${toolChoice.name}; do not answer without that call.`]
      : []),
    ...(parallelToolCalls ? [] : ['Make at most one tool call in a reply.']),
  ]
}

function forceToolCallMessage(callInstructions: readonly string[]): Message {
  const words = `Your reply held no tool call, so it was thrown away. ${callInstructions.join(' ')} Make the call now, without any words before it.`
  return { role: 'user', parts: [{ type: 'text', text: words }] }
}

function withRules(messages: readonly Message[], rules: readonly string[]): readonly Message[] {
  if (rules.length === 0) return messages
  const [first, ...rest] = messages
  const text = rules.join('\n')
  if (first?.role === 'system') return [{ role: 'system', text: `${first.text}\n\n${text}` }, ...rest]
  return [{ role: 'system', text }, ...messages]
}

function encodeMessage(message: Message, options: EncodeOptions): object {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.text }
    case 'user':
      return { role: 'user', content: contentOf(message.parts) }
    case 'assistant':
      return assistantTurn(message.parts, options)
    case 'tool':
      return { role: 'tool', tool_call_id: message.callId, content: contentOf(message.parts) }
    default:
      return message satisfies never
  }
}

/** Text alone is sent as one string: models that take only text do not accept a list of parts. */
function contentOf(parts: readonly UserPart[]): string | object[] {
  return parts.every(({ type }) => type === 'text') ? textOf(parts) : parts.map(contentPart)
}

function contentPart(part: UserPart): object {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text }
    case 'image':
      return { type: 'image_url', image_url: { url: urlOf(part) } }
    case 'video':
      return { type: 'video_url', video_url: { url: urlOf(part) } }
    case 'document':
      return { type: 'file_url', file_url: { url: urlOf(part) } }
    default:
      return part satisfies never
  }
}

function urlOf({ source }: Pick<ImagePart, 'source'>): string {
  return source.type === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`
}

/** Earlier reasoning is sent back unchanged: a model that reasons between calls needs it to continue. */
function assistantTurn(parts: readonly AssistantPart[], { model, rules }: EncodeOptions): object {
  const reasoning = parts.flatMap((part) => (part.type === 'reasoning' ? [part.text] : [])).join('\n')
  const calls = parts.flatMap((part) => (part.type === 'tool-call' ? [part] : []))
  return {
    role: 'assistant',
    content: textOf(parts),
    ...(reasoning === '' || model.reasoningSwitch === 'none' ? {} : { [rules.reasoningField]: reasoning }),
    ...(calls.length === 0
      ? {}
      : {
          tool_calls: calls.map(({ id, name, arguments: args }) => ({
            id,
            type: 'function',
            function: { name, arguments: objectText(args) },
          })),
        }),
  }
}

/** The API's chat template reads arguments as an object and fails on anything else. */
function objectText(text: string): string {
  if (text.trim() === '') return '{}'
  const value = parseJson(text)
  return isRecord(value) ? text : JSON.stringify({ arguments: value ?? text })
}

export interface SentSampling {
  temperature?: number
  top_p?: number
  max_tokens?: number
}

/**
 * The sampling values that are sent: a value that the server would reject becomes the nearest one it accepts. Stop
 * sequences are not sent: the API does not report which one matched, and could stop inside the reasoning. The gateway
 * applies them.
 */
export function sentSampling(
  { sampling: { temperature, topP, maxTokens } }: ChatRequest,
  { model, rules }: Pick<EncodeOptions, 'model' | 'rules'>,
): SentSampling {
  const { maxTemperature, minTopP, maxOutputTokens = Number.POSITIVE_INFINITY } = rules
  const longest = model.maxOutputTokens ?? maxOutputTokens
  const sent: SentSampling = {}
  if (temperature !== undefined) sent.temperature = twoDecimals(clamp(temperature, 0, maxTemperature))
  if (topP !== undefined) sent.top_p = twoDecimals(clamp(topP, minTopP, 1))
  if (maxTokens !== undefined) sent.max_tokens = clamp(Math.floor(maxTokens), 1, longest)
  return sent
}

function toolsOf(request: ChatRequest, { model, tools, rules, label }: EncodeOptions): object {
  const { toolChoice, parallelToolCalls, search, searchRules } = request
  const { maxTools = Number.POSITIVE_INFINITY } = rules
  // If the client chose one tool, only that tool is offered: nothing else makes the model call it as reliably.
  const chosen = typeof toolChoice === 'object' ? tools.filter(({ name }) => name === toolChoice.name) : []
  const offered = chosen.length > 0 ? chosen : tools
  const searchTool = search ? rules.webSearch?.(searchRules) : undefined
  const all = [...offered.map(functionOf), ...(searchTool ? [searchTool] : [])]
  if (all.length > maxTools)
    throw new GatewayError(
      'invalid-request',
      `${label} takes at most ${maxTools} tools; this request has ${all.length}.`,
      {
        code: 'too_many_tools',
        param: 'tools',
      },
    )
  if (all.length === 0) return {}
  return {
    tools: all,
    ...(offered.length > 0 && model.toolStream ? { tool_stream: true } : {}),
    ...(offered.length > 0 && rules.toolChoice === 'native' ? toolChoiceFields(toolChoice, parallelToolCalls) : {}),
  }
}

function functionOf({ name, description, parameters }: Tool): object {
  // The API requires the type `object`, which some clients leave out of their schema.
  const schema = parameters.type === 'object' ? parameters : { properties: {}, ...parameters, type: 'object' }
  return { type: 'function', function: { name, description, parameters: schema } }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}

function twoDecimals(value: number): number {
  return Math.round(value * 100) / 100
}
