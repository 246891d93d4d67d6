import { Value } from '@sinclair/typebox/value'
import { invalidField } from '../../core/errors.ts'
import { datedClientTool } from '../openai/anthropic-client-tools.ts'
import { listed } from '../openai/conversation-entries.ts'
import { type Fields, fieldsOf, isFields, jsonText, listOf, textOr } from '../openai/json-fields.ts'
import {
  type FlatChoice,
  type ItemBody,
  isTool,
  type ResponsesBody,
  type TextFormat,
  type ToolBody,
  textFormat,
  toolChoice,
} from './schema.ts'

/** A body with the names of this API. */
export type OwnBody = Omit<ResponsesBody, 'input' | 'tools' | 'tool_choice' | 'text'> & {
  input: ItemBody[]
  tools: ToolBody[]
  tool_choice: FlatChoice | undefined
  text: { format: TextFormat; verbosity: unknown }
  /** Only Chat Completions have them. */
  stop: string[]
}

/**
 * Converts a body to the names of this API. Programs also post bodies of Chat Completions and of Messages here, and
 * mixtures; fields of this API take precedence.
 *
 * Errors: `invalid-request` for an output format or a tool choice that cannot be read.
 */
export function ownBody(body: ResponsesBody): OwnBody {
  const other: Fields = body
  const functions = listOf(other.functions).map((definition) => ({ type: 'function', ...fieldsOf(definition) }))
  return {
    ...body,
    input: itemsOf(body.input ?? other.messages),
    instructions: body.instructions ?? systemOf(other.system),
    tools: [...(body.tools ?? []), ...functions].map(ownTool).filter(isTool),
    tool_choice: choiceOf(body.tool_choice ?? other.function_call),
    max_output_tokens: body.max_output_tokens ?? limitOf(other.max_completion_tokens) ?? limitOf(other.max_tokens),
    text: {
      format: body.text?.format ?? formatOf(other.response_format),
      verbosity: body.text?.verbosity ?? other.verbosity,
    },
    reasoning: { ...body.reasoning, effort: body.reasoning?.effort ?? other.reasoning_effort ?? switchOf(other) },
    stop: [other.stop].flat().filter(isStopWord),
  }
}

/**
 * The names of options of Chat Completions and Messages that cannot be read. This API's own have been checked already.
 */
export function ignoredForeignValues({ max_output_tokens, ...body }: ResponsesBody): string[] {
  const other: Fields = body
  const limits = ['max_completion_tokens', 'max_tokens'].filter((name) => isGiven(other[name]))
  const isLimited = max_output_tokens || limits.some((name) => limitOf(other[name]) !== undefined)
  const words = [other.stop].flat().filter((word) => isGiven(word) && word !== '')
  return [
    // If another limit takes its place, nothing is ignored.
    ...(isLimited ? [] : limits),
    ...(words.every(isStopWord) ? [] : ['stop']),
  ]
}

function isStopWord(word: unknown): word is string {
  return typeof word === 'string' && word !== ''
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** A text is one message of the user. Empty entries keep their index, because paths count by it. */
function itemsOf(input: unknown): ItemBody[] {
  return listed(input).map((item) => {
    if (isFields(item)) return isReference(item) ? { ...item, type: 'item_reference' } : item
    return item === null ? {} : { role: 'user', content: Array.isArray(item) ? item : jsonText(item) }
  })
}

/** The ids of the items that a body refers to instead of sending them. */
export function referencedItems(body: ResponsesBody): string[] {
  const other: Fields = body
  return listed(body.input ?? other.messages).flatMap((item) =>
    isFields(item) && (item.type === 'item_reference' || isReference(item)) ? textOr(item.id) : [],
  )
}

/** The type of a reference may be missing. */
function isReference({ id, type, ...others }: Fields): boolean {
  return typeof id === 'string' && (type === undefined || type === null) && Object.keys(others).length === 0
}

function systemOf(system: unknown): string | undefined {
  const texts = typeof system === 'string' ? [system] : listOf(system).map((part) => textOr(fieldsOf(part).text))
  return texts.join('\n') || undefined
}

function limitOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined
}

/** The switch for reasoning of other GLM servers. */
function switchOf({ thinking, enable_thinking }: Fields): unknown {
  const type = isFields(thinking) ? thinking.type : thinking
  return type === 'adaptive' ? 'on' : (type ?? enable_thinking)
}

/** The field that sets the reasoning effort, as the client named it. */
export function effortField({ reasoning, ...other }: ResponsesBody): string {
  const { reasoning_effort, thinking }: Fields = other
  if (isGiven(reasoning?.effort)) return 'reasoning.effort'
  if (isGiven(reasoning_effort)) return 'reasoning_effort'
  if (!isGiven(isFields(thinking) ? thinking.type : thinking)) return 'enable_thinking'
  return isFields(thinking) ? 'thinking.type' : 'thinking'
}

function formatOf(format: unknown): TextFormat {
  if (!isFields(format)) return { type: 'text' }
  const { json_schema: schema, ...flat } = format
  const own = { ...flat, ...fieldsOf(schema) }
  if (!Value.Check(textFormat, own)) throw invalidField('response_format', 'expected text, json_object or json_schema.')
  return own
}

/**
 * A tool as one flat object. Chat Completions nest it. Messages call its schema `input_schema`, and define some tools
 * by their type only.
 */
function ownTool(tool: Fields): Fields {
  const { function: inner, custom, input_schema: parameters, ...flat } = tool
  const known = datedClientTool(tool)
  if (known) return { ...known, type: 'function', name: textOr(tool.name) || known.name }
  if (isFields(inner))
    return { ...flat, type: 'function', ...inner, parameters: inner.parameters ?? inner.input_schema }
  if (isFields(custom)) return { ...flat, type: 'custom', ...custom, format: grammarOf(custom.format) }
  if (isFields(parameters)) return { ...flat, type: 'function', parameters }
  if (parameters === null) return { type: 'function', ...flat }
  return isGiven(tool.type) ? tool : { ...tool, type: 'function' }
}

function grammarOf(format: unknown): unknown {
  const { grammar, ...flat } = fieldsOf(format)
  return isFields(grammar) ? { ...flat, ...grammar } : format
}

function choiceOf(choice: unknown): FlatChoice | undefined {
  const own = ownChoice(choice)
  if (own === undefined || own === null) return undefined
  if (!Value.Check(toolChoice, own))
    throw invalidField('tool_choice', 'expected a word, or the type and name of a tool.')
  return own
}

function ownChoice(choice: unknown): unknown {
  if (!isFields(choice)) return choice
  const { type, name, function: inner, custom, allowed_tools: allowed } = choice
  if (isFields(allowed)) return ownChoice({ ...allowed, type: 'allowed_tools' })
  if (type === 'allowed_tools') return { ...choice, tools: listOf(choice.tools).map(ownChoice) }
  if (isFields(inner)) return { type: 'function', name: inner.name }
  if (isFields(custom)) return { type: 'custom', name: custom.name }
  // The old form of Chat Completions, and the names of Messages.
  if (type === undefined || type === 'tool') return { type: 'function', name }
  if (type === 'any') return 'required'
  return type === 'auto' || type === 'none' ? type : choice
}

/**
 * The items of a message. Messages of Chat Completions and of Anthropic's API hold calls, results and reasoning beside
 * their text.
 */
export function ownItems(item: ItemBody): ItemBody[] {
  const own = ownItem(item)
  if (own) return [own]
  if (typeof item.type === 'string' && item.type !== 'message') return [item]
  const { tool_calls, function_call, reasoning_content, reasoning, ...message } = item
  const reasoningText = textOr(reasoning_content) || textOr(reasoning)
  const calls = [...listOf(tool_calls), ...(isFields(function_call) ? [{ function: function_call }] : [])]
  const parts = Array.isArray(item.content) ? item.content : []
  const inside = parts.flatMap((part): ItemBody[] => itemInside(part) ?? [])
  if (reasoningText === '' && calls.length === 0 && inside.length === 0) return [message]
  // Empty entries stay in place, so that the paths of the others stay true.
  const content = inside.length === 0 ? item.content : parts.map((part) => (itemInside(part) ? null : part))
  const isEmpty = Array.isArray(content) ? content.every((part) => part === null) : textOr(content) === ''
  const spoken = isEmpty ? [] : [{ ...message, content }]
  const before = inside.filter(({ type }) => type !== 'function_call')
  const after = inside.filter(({ type }) => type === 'function_call')
  // Some clients send a call twice, as a block and in `tool_calls`.
  const others = calls.map(callItem).filter((call) => !after.some(({ call_id }) => call_id && call_id === call.call_id))
  return [...(reasoningText === '' ? [] : [reasoningItem(reasoningText)]), ...before, ...spoken, ...after, ...others]
}

function itemInside(part: unknown): ItemBody[] | undefined {
  const item = isFields(part) ? ownItem(part) : undefined
  return item && [item]
}

/** A message or a block that is an item of its own in this API. */
function ownItem(item: Fields): ItemBody | undefined {
  const { role, type = 'message' } = item
  switch (type ?? 'message') {
    case 'message':
      if (role !== 'tool' && role !== 'function') return undefined
      return {
        type: 'function_call_output',
        call_id: item.tool_call_id ?? item.call_id,
        name: item.name,
        output: item.content,
      }
    case 'function':
      return callItem(item)
    case 'tool_use':
      return { type: 'function_call', call_id: item.id, name: item.name, arguments: jsonText(item.input) }
    case 'tool_result':
      return { type: 'function_call_output', call_id: item.tool_use_id, output: item.content }
    case 'thinking':
      return reasoningItem(textOr(item.thinking))
    default:
      return undefined
  }
}

function reasoningItem(text: string): ItemBody {
  return { type: 'reasoning', content: [{ type: 'reasoning_text', text }] }
}

function callItem(call: unknown): ItemBody {
  const { id, call_id = id, custom, function: called, ...flat } = fieldsOf(call)
  if (isFields(custom)) return { type: 'custom_tool_call', call_id, name: custom.name, input: custom.input }
  const { name, arguments: args } = isFields(called) ? called : flat
  return { type: 'function_call', call_id, name, arguments: args }
}
