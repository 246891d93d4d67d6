import { numberedLink } from '../../core/citations.ts'
import type { WebSource } from '../../core/events.ts'

/** Turns the marks of upstream search results in the answer into links. */
export interface Citations {
  /** Results in the order they came, which numbers them; returns those not known before. */
  learn(sources: readonly WebSource[]): WebSource[]
  push(text: string): string
  /** There are marks to look for. */
  readonly any: boolean
  /** Half a mark is text after all. */
  end(): string
}

const mark = /\[(ref_\w{1,19})\]/g
/** At most 24 characters. */
const halfMark = /\[(?:r|re|ref|ref_\w{0,19})?$/

/**
 * `[ref_1]` becomes `[1](https://…)`. Unlike the marks of the web chat it may be the answer's own words, so one of no
 * known result stays, and without results nothing is looked at.
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
    get any() {
      return links.size > 0
    },
    end() {
      const rest = held
      held = ''
      return rest
    },
  }
}
