import type { Reasoning } from '../../core/request.ts'
import { decodeEffort, ignoredValue } from '../openai/effort.ts'
import { fieldsOf, isFields } from '../openai/json-fields.ts'
import type { ChatBody } from './schema.ts'

/**
 * Reads the many ways in which clients switch reasoning. An explicit on or off takes precedence over an effort. An
 * effort alone means on, except `none`.
 */
export function decodeReasoning(body: ChatBody): { reasoning: Reasoning; ignored: string[] } {
  for (const field in body) if (switchFields.has(field)) return decodeSwitches(body)
  return { reasoning: { mode: 'default', effort: undefined, budgetTokens: undefined }, ignored: [] }
}

/** The fields that `decodeSwitches` reads. Most requests have none of them. */
const switchFields = new Set<string>([
  'reasoning',
  'thinking',
  'chat_template_kwargs',
  'enable_thinking',
  'reasoning_effort',
  'output_config',
  'thinking_budget',
] satisfies (keyof ChatBody)[])

function decodeSwitches(body: ChatBody): { reasoning: Reasoning; ignored: string[] } {
  const { reasoning, thinking } = body
  const template = fieldsOf(body.chat_template_kwargs)
  const nested = fieldsOf(reasoning)
  const switches = [
    thinkingSwitch(thinking),
    wordSwitch(body.enable_thinking, 'enable_thinking'),
    wordSwitch(template.enable_thinking, 'chat_template_kwargs.enable_thinking'),
    wordSwitch(template.thinking, 'chat_template_kwargs.thinking'),
    wordSwitch(nested.enabled, 'reasoning.enabled'),
  ]
  const efforts = [
    decodeEffort(body.reasoning_effort, 'reasoning_effort'),
    isFields(reasoning) ? decodeEffort(reasoning.effort, 'reasoning.effort') : decodeEffort(reasoning, 'reasoning'),
    decodeEffort(fieldsOf(body.output_config).effort, 'output_config.effort'),
  ]
  const isOn = switches.find(({ on }) => on !== undefined)?.on
  const given = efforts.find((effort) => effort.reasoning)?.reasoning
  const ignored = [...switches, ...efforts].flatMap((one) => one.ignored)
  if (isOn === false || (isOn === undefined && given?.mode === 'off')) return { reasoning: { mode: 'off' }, ignored }
  const budgets = [fieldsOf(thinking).budget_tokens, nested.max_tokens, body.thinking_budget]
  return {
    reasoning: {
      mode: isOn ? 'on' : (given?.mode ?? 'default'),
      effort: given?.effort,
      budgetTokens: budgets.find((budget) => typeof budget === 'number'),
    },
    ignored,
  }
}

interface Switch {
  /** Absent if the client asks for nothing. */
  on?: boolean | undefined
  ignored: string[]
}

/** Anthropic's and Z.AI's object, and its variants: a word, a boolean, an object without a type. */
function thinkingSwitch(thinking: unknown): Switch {
  if (!isFields(thinking)) return wordSwitch(thinking, 'thinking')
  const { type, enabled, budget_tokens } = thinking
  if (type !== undefined && type !== null) return wordSwitch(type, 'thinking.type')
  if (enabled !== undefined) return wordSwitch(enabled, 'thinking.enabled')
  return { on: typeof budget_tokens === 'number' ? budget_tokens > 0 : undefined, ignored: [] }
}

/** Anthropic's word for reasoning of any length, which is what GLM always does. */
const adaptive = 'adaptive'

function wordSwitch(value: unknown, param: string): Switch {
  if (value === adaptive) return { on: true, ignored: [] }
  const { reasoning, ignored } = decodeEffort(value, param)
  if (ignored.length > 0) return { ignored: [ignoredValue(param, value)] }
  return { on: reasoning && reasoning.mode === 'on', ignored: [] }
}
