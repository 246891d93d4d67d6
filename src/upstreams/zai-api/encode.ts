import { GatewayError } from '../../core/errors.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import { outputRule } from '../../core/output-rule.ts'
import {
  type AssistantPart,
  type ChatRequest,
  type ImagePart,
  type Message,
  type SearchRules,
  type Tool,
  textOf,
  type UserPart,
} from '../../core/request.ts'
import { effortWord } from '../../models/table.ts'
import type { ApiModel } from './models.ts'
import { normalise } from './normalise.ts'

export interface Head {
  model: ApiModel
  requestId: string
  /** Of the built-in web search. */
  searchEngine: string
  /** What the reply may call. */
  tools: readonly Tool[]
  /** The last reply lacked the call the client demands: ask for it once more. */
  insist: boolean
}

const maxTools = 128
/** Of a model whose limit is not known. */
const maxOutputTokens = 131_072

/**
 * One request in the API's words, legal whatever the client sent.
 * Errors: `invalid-request` for more tools than the API takes.
 * Source: the vendor's API reference of 2026-07, and what its users report of refusals.
 */
export function encode(request: ChatRequest, head: Head): object {
  const { model, tools, insist } = head
  const demands = demandsOf(request, tools)
  const format = outputRule(request, tools.length > 0)
  const messages = normalise(request.messages, model)
  const told = withRules(insist ? [...messages, insistence(demands)] : messages, [
    ...demands,
    ...(format === undefined ? [] : [format]),
  ])
  return {
    model: model.upstreamId,
    messages: told.map((message) => tell(message, model)),
    request_id: head.requestId,
    stream: true,
    ...thinkingOf(request, model),
    ...samplingOf(request, model),
    ...formatOf(request, tools),
    ...toolsOf(request, head),
  }
}

/**
 * There is no `json_schema`: the schema stands in the prompt, beside `json_object`. Held to that, a model with tools
 * would write its calls as an answer.
 */
function formatOf({ output }: ChatRequest, tools: readonly Tool[]): object {
  return output.type === 'json' && tools.length === 0 ? { response_format: { type: 'json_object' } } : {}
}

/** `tool_choice` takes nothing but `auto`, so the rest is said in words. */
function demandsOf({ toolChoice, parallelToolCalls }: ChatRequest, tools: readonly Tool[]): string[] {
  if (tools.length === 0) return []
  return [
    ...(toolChoice === 'required' ? ['This time you must call a tool; do not answer without a call.'] : []),
    ...(typeof toolChoice === 'object'
      ? [`This time you must call the tool ${toolChoice.name}; do not answer without that call.`]
      : []),
    ...(parallelToolCalls ? [] : ['Make at most one tool call in a reply.']),
  ]
}

function insistence(demands: readonly string[]): Message {
  const words = `Your reply held no tool call, so it was thrown away. ${demands.join(' ')} Make the call now, without any words before it.`
  return { role: 'user', parts: [{ type: 'text', text: words }] }
}

function withRules(messages: readonly Message[], rules: readonly string[]): readonly Message[] {
  if (rules.length === 0) return messages
  const [first, ...rest] = messages
  const text = rules.join('\n')
  if (first?.role === 'system') return [{ role: 'system', text: `${first.text}\n\n${text}` }, ...rest]
  return [{ role: 'system', text }, ...messages]
}

function tell(message: Message, model: ApiModel): object {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.text }
    case 'user':
      return { role: 'user', content: contentOf(message.parts) }
    case 'assistant':
      return assistantTurn(message.parts, model)
    case 'tool':
      return { role: 'tool', tool_call_id: message.callId, content: contentOf(message.parts) }
    default:
      return message satisfies never
  }
}

/** Text alone is told as one string, for models that take nothing else take no parts either. */
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

/** Earlier thoughts go back unchanged: without them a model that thinks between calls loses its thread. */
function assistantTurn(parts: readonly AssistantPart[], model: ApiModel): object {
  const thoughts = parts.flatMap((part) => (part.type === 'reasoning' ? [part.text] : [])).join('\n')
  const calls = parts.flatMap((part) => (part.type === 'tool-call' ? [part] : []))
  return {
    role: 'assistant',
    content: textOf(parts),
    ...(thoughts === '' || model.thinking === 'none' ? {} : { reasoning_content: thoughts }),
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

/** The API's chat template reads the arguments as an object and fails on anything else. */
function objectText(text: string): string {
  if (text.trim() === '') return '{}'
  const value = parseJson(text)
  return isRecord(value) ? text : JSON.stringify({ arguments: value ?? text })
}

/** Tokens of thinking up to which a client that names a budget means little of it: what Claude Code's "think" stood for. */
const smallBudget = 4_096

/**
 * A client that says nothing leaves it to the model, and all that can think do so by default. There is no budget: a
 * small one becomes the least effort, any other none in particular.
 */
function thinkingOf({ reasoning }: ChatRequest, { thinking, efforts }: ApiModel): object {
  const { mode, effort, budgetTokens = Number.POSITIVE_INFINITY } = reasoning
  if (thinking === 'none') return {}
  if (mode === 'off' && thinking === 'switch') return { thinking: { type: 'disabled' } }
  const wanted = mode === 'off' ? 'low' : (effort ?? (budgetTokens <= smallBudget ? 'low' : undefined))
  const word = wanted === undefined ? undefined : effortWord(wanted, efforts)
  return {
    thinking: { type: 'enabled', clear_thinking: false },
    ...(word === undefined ? {} : { reasoning_effort: word }),
  }
}

/** Stop sequences stay here: the API would not tell which one it met, and could stop inside the thinking. */
function samplingOf({ sampling: { temperature, topP, maxTokens } }: ChatRequest, model: ApiModel): object {
  const longest = model.maxOutputTokens ?? maxOutputTokens
  return {
    ...(temperature === undefined ? {} : { temperature: twoDecimals(clamp(temperature, 0, 1)) }),
    ...(topP === undefined ? {} : { top_p: twoDecimals(clamp(topP, 0.01, 1)) }),
    ...(maxTokens === undefined ? {} : { max_tokens: clamp(Math.floor(maxTokens), 1, longest) }),
  }
}

function toolsOf({ toolChoice, search, searchRules }: ChatRequest, { model, tools, searchEngine }: Head): object {
  // A choice of one is kept best by offering nothing else.
  const chosen = typeof toolChoice === 'object' ? tools.filter(({ name }) => name === toolChoice.name) : []
  const offered = chosen.length > 0 ? chosen : tools
  const all = [...offered.map(functionOf), ...(search ? [webSearch(searchEngine, searchRules)] : [])]
  if (all.length > maxTools)
    throw new GatewayError('invalid-request', `Z.AI takes at most ${maxTools} tools; this request has ${all.length}.`, {
      code: 'too_many_tools',
      param: 'tools',
    })
  if (all.length === 0) return {}
  return { tools: all, ...(offered.length > 0 && model.toolStream ? { tool_stream: true } : {}) }
}

function functionOf({ name, description, parameters }: Tool): object {
  // Arguments are an object whatever a sloppy schema says of its root, and the API insists on the word.
  const schema = parameters.type === 'object' ? parameters : { properties: {}, ...parameters, type: 'object' }
  return { type: 'function', function: { name, description, parameters: schema } }
}

/** The results come back before the text, so that the marks in it can be turned into links. */
function webSearch(engine: string, rules: SearchRules | undefined): object {
  const { options = {} } = rules ?? {}
  return {
    type: 'web_search',
    web_search: {
      enable: true,
      search_engine: options.engine ?? engine,
      search_result: true,
      result_sequence: 'before',
      // What is not asked for is left out of the JSON.
      search_domain_filter: onlyDomain(rules),
      search_query: options.query,
      search_prompt: options.prompt,
      search_recency_filter: options.recency,
      content_size: options.contentSize,
      count: options.count === undefined ? undefined : clamp(Math.floor(options.count), 1, 50),
      require_search: options.required,
    },
  }
}

/** The API can keep to one site; which sites to look at of several, or to leave out, it takes no word about. */
export function onlyDomain(rules: SearchRules | undefined): string | undefined {
  const [domain, ...others] = rules?.allowedDomains ?? []
  return others.length === 0 ? domain : undefined
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}

function twoDecimals(value: number): number {
  return Math.round(value * 100) / 100
}
