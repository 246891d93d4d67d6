import type { Delta, FinishReason } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import { runTransform } from '../core/transform.ts'
import { toolCallParser } from './parse.ts'

/** Reads a reasoning in which a model may have written calls of these tools. */
export interface CallsInReasoning {
  /** All its calls; none if one of them cannot be parsed. */
  calls(text: string): Delta[]
  /** The text without calls, complete or not: an incomplete call is not an answer. */
  words(text: string): string
}

export function callsInReasoning(tools: readonly Tool[], scanLimit: number): CallsInReasoning {
  return {
    calls(text) {
      if (tools.length === 0) return []
      const found = parsed(text, 'stop')
      return found.some(({ type }) => type === 'error') ? [] : found.filter(({ type }) => type === 'tool-call')
    },
    words(text) {
      // With the reason `length` the parser drops an incomplete call.
      const words = parsed(text, 'length').map((delta) => (delta.type === 'text' ? delta.text : ''))
      return words.join('').trim()
    },
  }

  function parsed(text: string, reason: FinishReason): Delta[] {
    return runTransform(toolCallParser(tools, { scanLimit }), [
      { type: 'text', text },
      { type: 'finish', reason },
    ])
  }
}
