import { numberedLink } from '../../core/citations.ts'
import type { WebSource } from '../../core/events.ts'

/** Replaces the marks of search results in the answer with links. */
export interface Citations {
  /** Adds results, which are numbered in order of arrival. Returns those that were new. */
  learn(sources: readonly WebSource[]): WebSource[]
  push(text: string): string
  /** The text that was held back because it could become a mark. */
  end(): string
}

const mark = /\[(ref_\w{1,19})\]/g
/** At most 24 characters. */
const halfMark = /\[(?:r|re|ref|ref_\w{0,19})?$/

/**
 * `[ref_1]` becomes `[1](https://…)`. The answer may also contain such a text by itself, so a mark without a known
 * result stays as it is. Without results the text is not searched.
 */
export function citations(): Citations {
  const links = new Map<string, string>()
  let held = ''

  return {
    learn(sources) {
      const unknown = sources.filter(({ refId }) => !links.has(refId))
      for (const { refId, url } of unknown) {
        links.set(refId, numberedLink(links.size + 1, url))
      }
      return unknown
    },
    push(text) {
      if (links.size === 0) return text
      const seen = held + text
      held = halfMark.exec(seen)?.[0] ?? ''
      return seen
        .slice(0, seen.length - held.length)
        .replace(mark, (written, refId: string) => links.get(refId) ?? written)
    },
    end() {
      const rest = held
      held = ''
      return rest
    },
  }
}
