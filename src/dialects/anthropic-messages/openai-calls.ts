import type { AssistantPart } from '../../core/request.ts'
import { argumentsText, member } from './words.ts'

/** The calls of an assistant's message as OpenAI's Chat API has them. */
export function openaiCalls(calls: unknown): AssistantPart[] {
  if (!Array.isArray(calls)) return []
  return calls.map((call: unknown) => calledBy(member(call, 'id') ?? '', functionOf(call)))
}

/** The one call such a message could hold before there were tools. */
export function legacyCall(id: string, call: unknown): AssistantPart {
  return calledBy(id, call)
}

function functionOf(call: unknown): unknown {
  if (typeof call !== 'object' || call === null) return undefined
  return Reflect.get(call, 'function') ?? Reflect.get(call, 'custom')
}

/** The input of a freeform tool is a text alone. */
function calledBy(id: string, called: unknown): AssistantPart {
  const name = member(called, 'name') ?? ''
  const input = member(called, 'input')
  if (input !== undefined) return { type: 'tool-call', id, name, arguments: JSON.stringify({ input }) }
  const args: unknown = typeof called === 'object' && called !== null ? Reflect.get(called, 'arguments') : undefined
  return { type: 'tool-call', id, name, arguments: argumentsText(args) }
}
