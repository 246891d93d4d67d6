import { stringStop } from './string-stop.ts'

/** Finds where a JSON value ends that is read in pieces. */
export interface ValueEnd {
  /** To be called before the first piece of each further value. */
  begin(): void
  /** Reads `text` from `from` on. Returns the place behind the value, if it ends in this text. */
  read(text: string, from: number): number | undefined
}

const quote = 0x22
const [openBrace, openBracket, closeBrace, closeBracket] = [0x7b, 0x5b, 0x7d, 0x5d]
/** What ends a number or a word. */
const behindValue = /[,}\s]/

export function valueEnd(): ValueEnd {
  let isEmpty = true
  let quoted = false
  const position = { escaped: false }
  let depth = 0

  return {
    begin() {
      isEmpty = true
      quoted = false
      position.escaped = false
      depth = 0
    },
    read(text, from) {
      for (let at = from; at < text.length; at++) {
        if (quoted) {
          at = stringStop(position, text, at)
          if (at === text.length) break
          quoted = false
          if (depth === 0) return at + 1
          continue
        }
        if (depth === 0 && !isEmpty && behindValue.test(text.charAt(at))) return at
        const code = text.charCodeAt(at)
        if (code === quote) quoted = true
        else if (code === openBrace || code === openBracket) depth++
        else if ((code === closeBrace || code === closeBracket) && --depth === 0) return at + 1
        isEmpty = false
      }
      return undefined
    },
  }
}
