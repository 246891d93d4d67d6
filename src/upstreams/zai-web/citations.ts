import { numberedLink } from '../../core/citations.ts'
import type { WebSource } from '../../core/events.ts'

/** Replaces the marks of search results in the answer with links. */
interface Citations {
  /** Adds results, which are numbered in order of arrival. */
  learn(sources: readonly WebSource[]): void
  push(text: string): string
  /** The text that was held back because it could become a mark. */
  end(): string
}

const mark = /【(turn\d+[a-z]+\d+)】/g
const longestMark = 64

/**
 * `【turn0search1】` becomes `[2](https://…)`. A mark without a known result is removed; other text in such brackets
 * stays. A mark in pieces is held back until it is closed or too long to be one.
 */
export function citations(): Citations {
  const links = new Map<string, string>()
  let held = ''

  return {
    learn(sources) {
      for (const { refId, url } of sources) {
        if (links.has(refId)) continue
        links.set(refId, numberedLink(links.size + 1, url))
      }
    },
    push(text) {
      if (held === '' && !text.includes('【')) return text
      const seen = held + text
      const open = seen.lastIndexOf('【')
      const isHalf = open >= 0 && !seen.includes('】', open) && seen.length - open < longestMark
      held = isHalf ? seen.slice(open) : ''
      return seen.slice(0, seen.length - held.length).replace(mark, (_, refId: string) => links.get(refId) ?? '')
    },
    end() {
      const rest = held
      held = ''
      return rest
    },
  }
}
