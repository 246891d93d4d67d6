import type { WebSource } from './events.ts'

/**
 * A numbered link in the answer, and the page it leads to.
 * Units: `start` and `end` count UTF-16 units of the text, so that `text.slice(start, end)` is the link.
 */
export interface Citation {
  start: number
  end: number
  source: WebSource
}

/** `[2](https://example.com)`; an empty string if `url` is not a web address. */
export function numberedLink(number: number, url: string): string {
  return isWebAddress(url) ? `[${number}](${linkTarget(url)})` : ''
}

export function isWebAddress(url: string): boolean {
  return /^https?:\/\//i.test(url)
}

/** Escapes brackets and spaces, which would end a Markdown link. */
function linkTarget(url: string): string {
  return url.replace(/[()\s<>]/g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Finds the numbered links to pages the upstream has read. */
export interface CitationFinder {
  learn(sources: readonly WebSource[]): void
  /** The citations that end in the next piece of the text. Positions count from the start of the text. */
  push(piece: string): Citation[]
  /** Starts a new text; the pages stay known. */
  restart(): void
}

const none: Citation[] = []

const link = /\[\d{1,4}\]\(([^()\s<>]+)\)/g
/** The end of a text that the next piece may complete to a link. */
const halfLink = /\[(?:\d{0,4}|\d{1,4}\](?:\([^()\s<>]{0,4096})?)$/

export function citationFinder(): CitationFinder {
  const pages = new Map<string, WebSource>()
  let position = 0
  // The end of the text so far, if it may be the beginning of a link.
  let held = ''

  return {
    learn(sources) {
      for (const source of sources) {
        const target = linkTarget(source.url)
        if (!pages.has(target)) pages.set(target, source)
      }
    },
    push(piece) {
      if (pages.size === 0) {
        position += piece.length
        return none
      }
      const text = held + piece
      const before = position - held.length
      const found: Citation[] = []
      let over = 0
      for (const { 0: written, 1: target = '', index } of text.matchAll(link)) {
        over = index + written.length
        const source = pages.get(target)
        if (source) found.push({ start: before + index, end: before + over, source })
      }
      position += piece.length
      held = halfLink.exec(text.slice(over))?.[0] ?? ''
      return found
    },
    restart() {
      position = 0
      held = ''
    },
  }
}
