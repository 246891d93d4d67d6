import type { Tool } from '../core/request.ts'
import { repairArguments, toolNamed, typedArguments } from '../json/repair.ts'
import { calledName, closedForms, parseCalls, type WrittenCall } from './parse-calls.ts'

/** The calls of declared tools in a text. */
export interface DeclaredCalls {
  /** Each with the tool's own name, and with arguments as compact JSON. */
  calls: { name: string; arguments: string }[]
  /** The tool of a call that cannot be parsed or repaired. It comes after `calls`, and what follows it is not read. */
  unreadable?: string
}

/** Reads a complete written form; `undefined` if it calls no declared tool. */
export function readDeclaredCalls(written: string, tools: readonly Tool[]): DeclaredCalls | undefined {
  const parsed = parseCalls(written)
  if (!parsed) {
    const name = toolNamed(calledName(written) ?? '', tools)?.name
    return name === undefined ? undefined : { calls: [], unreadable: name }
  }
  const calls: DeclaredCalls['calls'] = []
  let isDeclared = false
  for (const call of parsed) {
    const tool = toolNamed(call.name, tools)
    if (!tool) continue
    isDeclared = true
    const repaired = repairArguments(argumentsOf(call, tool), tool.parameters)
    if (!repaired.ok) return { calls, unreadable: tool.name }
    calls.push({ name: tool.name, arguments: JSON.stringify(repaired.value) })
  }
  return isDeclared ? { calls } : undefined
}

/**
 * The complete form of a text that lacks only closing tags; `undefined` if it lacks more, or does not consist only of
 * calls of declared tools with all required arguments.
 */
export function closedForm(written: string, tools: readonly Tool[]): string | undefined {
  return closedForms(written).find((form) => {
    const calls = parseCalls(form) ?? []
    return calls.length > 0 && calls.every((call) => isCallable(call, tools))
  })
}

function isCallable(call: WrittenCall, tools: readonly Tool[]): boolean {
  const tool = toolNamed(call.name, tools)
  if (!tool || !repairArguments(argumentsOf(call, tool), tool.parameters).ok) return false
  // A name without arguments is a call only if the tool has no parameters.
  return !('texts' in call) || call.texts.size > 0 || Object.keys(tool.parameters.properties ?? {}).length === 0
}

function argumentsOf(call: WrittenCall, tool: Tool): unknown {
  return 'texts' in call ? typedArguments(call.texts, tool.parameters) : call.arguments
}
