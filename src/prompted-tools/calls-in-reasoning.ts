import type { Delta, FinishReason } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import { runTransform } from '../core/transform.ts'
import { taggedOpenings } from './call-forms.ts'
import { anyMark, toolCallParser } from './parse.ts'

/** Reads a reasoning in which a model may have written calls of these tools. */
export interface CallsInReasoning {
  /** All its calls; none if one of them cannot be parsed, or in a text that repeats itself too much to be searched. */
  calls(text: string): Delta[]
  /** The text without calls, complete or not: an incomplete call is not an answer. */
  words(text: string): string
}

/**
 * The most that is searched, because it is searched in one go when the reply ends: these take 10 ms each. A model that
 * works writes a tenth of it.
 */
const longest = 1_000_000
const mostOpenings = 1_000
const mostMarks = 50_000
/** What looks like the beginning of a call, and whatever has to be looked at to know. */
const openings = new RegExp(`${taggedOpenings.join('|')}|^ {0,3}(?:\`{3}|~{3})`, 'gm')
const marks = new RegExp(anyMark, 'g')

export function callsInReasoning(tools: readonly Tool[], scanLimit: number): CallsInReasoning {
  return {
    calls(text) {
      if (tools.length === 0 || !canBeSearched(text)) return []
      const found = parsed(text, 'stop')
      return found.some(({ type }) => type === 'error') ? [] : found.filter(({ type }) => type === 'tool-call')
    },
    words(text) {
      if (!canBeSearched(text)) return text.trim()
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

function canBeSearched(text: string): boolean {
  return text.length <= longest && !hasMore(openings, mostOpenings, text) && !hasMore(marks, mostMarks, text)
}

function hasMore(pattern: RegExp, limit: number, text: string): boolean {
  pattern.lastIndex = 0
  for (let found = 0; found <= limit; found++) if (!pattern.test(text)) return false
  return true
}
