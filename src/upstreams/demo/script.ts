import { GatewayError } from '../../core/errors.ts'
import type { Delta } from '../../core/events.ts'
import type { ChatRequest, Tool } from '../../core/request.ts'
import type { Model } from '../../core/upstream.ts'
import { synthesise } from './example-value.ts'
import { languageOf, type Voice, voices } from './languages.ts'
import { type Directions, directions, type ScriptedEnding } from './markers.ts'
import { factsOf, type RequestFacts } from './request-facts.ts'
import { countTokens, pieces, shorten, slices } from './text-pieces.ts'

/** One step of the timeline: a wait, then its deltas. With `Infinity` the wait never ends. */
export interface ScriptStep {
  waitMs: number
  deltas: Delta[]
}

interface ScriptedCall {
  name: string
  /** JSON text. */
  arguments: string
}

/**
 * The whole timeline of a reply as data. The same request always gets the same timeline.
 *
 * Units: `paceMs` is the mean wait between two deltas, unless a marker sets another one.
 * Errors: a refusal is one step whose only delta is the error. A timeline may also end without a finish.
 */
export function script(request: ChatRequest, model: Model, paceMs: number): ScriptStep[] {
  const facts = factsOf(request)
  const plan = directions(facts.text)
  if (plan.refusal) return [{ waitMs: plan.silenceMs, deltas: [{ type: 'error', error: plan.refusal }] }]

  const voice = voices[plan.language ?? languageOf(plan.userText)]
  const calls = callsOf(request, facts, plan)
  const reasoning = showsReasoning(request, model, plan) ? voice.reasoning(plan.userText, facts, model) : ''
  const answer = [
    ...pieces(textOf(request, model, facts, plan, voice, calls)).map((text): Delta => ({ type: 'text', text })),
    ...calls.flatMap(callDeltas),
  ]
  const userText: Delta[] = [
    ...(request.search ? [searched(plan.userText)] : []),
    ...pieces(reasoning).map((text): Delta => ({ type: 'reasoning', text })),
    ...(plan.ending === 'whole' ? answer : answer.slice(0, Math.ceil(answer.length / 2))),
  ]
  const pace = plan.paceMs ?? paceMs
  const steps = userText.map((delta, index): ScriptStep => ({ waitMs: humanPause(pace, index), deltas: [delta] }))
  steps.push(...endingOf(plan.ending, calls, usageOf(facts, userText)))
  return steps.map((step, index) => (index === 0 ? { ...step, waitMs: step.waitMs + plan.silenceMs } : step))
}

function showsReasoning(request: ChatRequest, model: Model, plan: Directions): boolean {
  if (plan.think) return true
  if (plan.empty || model.reasoning === 'never') return false
  return request.reasoning.mode === 'on' || (request.reasoning.mode === 'default' && model.reasoning === 'by-default')
}

/**
 * The calls of this reply. The first of these sources that yields a call is used: tools named by markers, the number in
 * a marker, tools named in the text, and a call that the client requires. After tool results there are no calls: the
 * marker that caused them is still in the last user message.
 */
function callsOf(request: ChatRequest, facts: RequestFacts, plan: Directions): ScriptedCall[] {
  const { tools, toolChoice, parallelToolCalls } = request
  if (toolChoice === 'none' || facts.results.length > 0 || plan.empty || plan.ending === 'content-filter') return []
  const offered = typeof toolChoice === 'object' ? tools.filter((tool) => tool.name === toolChoice.name) : tools
  const [first] = offered
  if (first === undefined) return []
  const exampleCall = (tool: Tool): ScriptedCall => ({ name: tool.name, arguments: argumentsFor(tool, plan.userText) })
  const candidates: ScriptedCall[][] = [
    plan.calls.flatMap(({ name, value }) =>
      offered
        .filter((tool) => tool.name === name)
        .map((tool) => (value === undefined ? exampleCall(tool) : { name, arguments: value })),
    ),
    Array.from({ length: plan.callCount }, (_, index) => exampleCall(offered[index % offered.length] ?? first)),
    offered.filter((tool) => isNamed(tool.name, plan.userText)).map(exampleCall),
    toolChoice === 'auto' ? [] : [exampleCall(first)],
  ]
  const chosen = candidates.find((calls) => calls.length > 0) ?? []
  return parallelToolCalls ? chosen : chosen.slice(0, 1)
}

/** "use get_weather", "call the tool `get_weather`", "调用 get_weather". */
function isNamed(name: string, userText: string): boolean {
  const verb = String.raw`(?:\b(?:use|call|run)\s+(?:the\s+)?(?:tool\s+)?|(?:使用|调用|用)\s*(?:工具)?\s*)`
  const literal = name.replaceAll(/[^\w]/g, String.raw`\$&`)
  return new RegExp(`${verb}["'\`]?${literal}(?![\\w-])`, 'i').test(userText)
}

function textOf(
  request: ChatRequest,
  model: Model,
  facts: RequestFacts,
  plan: Directions,
  voice: Voice,
  calls: readonly ScriptedCall[],
): string {
  const { output } = request
  const { userText } = plan
  if (plan.empty) return ''
  if (calls.length > 0) return output.type === 'json' ? '' : voice.calling([...new Set(calls.map(({ name }) => name))])
  if (plan.badJson) return '{"answer": "no end'
  if (plan.loop) return voice.stuck.repeat(4_000)
  if (output.type === 'json' && output.schema) return jsonFor(output.schema, userText)
  if (output.type === 'json' || plan.json)
    return JSON.stringify({ answer: shorten(userText, 200), model: facts.asked, messages: facts.turns })
  if (plan.words !== undefined) return voice.words(plan.words)
  return facts.results.length > 0 ? voice.summary(facts.results) : voice.answer(userText, facts, model)
}

/** Arguments are always an object, whatever the schema says. */
function argumentsFor({ parameters }: Tool, userText: string): string {
  const text = jsonFor(parameters, userText)
  return text.startsWith('{') ? text : '{}'
}

function jsonFor(schema: Record<string, unknown>, userText: string): string {
  return JSON.stringify(synthesise(schema, userText === '' ? 'demo' : shorten(userText, 60)))
}

function callDeltas(call: ScriptedCall, index: number): Delta[] {
  const key = `call-${index}`
  return [
    { type: 'tool-call', key, name: call.name },
    ...slices(call.arguments, 8).map((piece): Delta => ({ type: 'tool-call', key, arguments: piece })),
  ]
}

function searched(userText: string): Delta {
  const query = shorten(userText, 60)
  return {
    type: 'server-tool',
    tool: {
      id: 'search-0',
      name: 'web_search',
      arguments: JSON.stringify({ query }),
      kind: 'web-search',
      query,
      sources: [{ refId: 'ref_1', title: 'Example Domain', url: 'https://example.com/' }],
    },
  }
}

/** From two thirds to four thirds of the pace, so that the text looks typed. */
function humanPause(paceMs: number, index: number): number {
  return Math.round(paceMs * (2 / 3 + ((index * 7) % 11) / 15))
}

function endingOf(ending: ScriptedEnding, calls: readonly ScriptedCall[], usage: Delta): ScriptStep[] {
  switch (ending) {
    case 'whole':
      return [{ waitMs: 0, deltas: [usage, { type: 'finish', reason: calls.length > 0 ? 'tool-calls' : 'stop' }] }]
    case 'length':
    case 'content-filter':
      return [{ waitMs: 0, deltas: [usage, { type: 'finish', reason: ending }] }]
    case 'error': {
      const message = 'The demo fails here, as [error-mid] in your message asks it to.'
      return [{ waitMs: 0, deltas: [{ type: 'error', error: new GatewayError('upstream-unavailable', message) }] }]
    }
    case 'cut':
      return []
    case 'stall':
      return [{ waitMs: Number.POSITIVE_INFINITY, deltas: [] }]
    default:
      return ending satisfies never
  }
}

function usageOf(facts: RequestFacts, userText: readonly Delta[]): Delta {
  const written = { text: '', reasoning: '', calls: '' }
  for (const delta of userText) {
    if (delta.type === 'text' || delta.type === 'reasoning') written[delta.type] += delta.text
    if (delta.type === 'tool-call') written.calls += delta.arguments ?? ` ${delta.name} `
  }
  const reasoningTokens = countTokens(written.reasoning)
  return {
    type: 'usage',
    usage: {
      inputTokens: facts.inputTokens,
      outputTokens: countTokens(written.text) + countTokens(written.calls) + reasoningTokens,
      cachedInputTokens: 0,
      reasoningTokens,
    },
  }
}
