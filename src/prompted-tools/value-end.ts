/** Finds where a JSON value ends that is read character by character. */
export interface ValueEnd {
  /** Begins another value. */
  begin(): void
  /** Says whether the value ends before this character, with it, or later. */
  push(char: string): 'before' | 'with' | 'later'
}

const space = /\s/

export function valueEnd(): ValueEnd {
  let isEmpty = true
  let quoted = false
  let escaped = false
  let depth = 0

  return {
    begin() {
      isEmpty = true
      quoted = false
      escaped = false
      depth = 0
    },
    push(char) {
      if (!quoted && depth === 0 && !isEmpty && (char === ',' || char === '}' || space.test(char))) return 'before'
      isEmpty = false
      if (escaped) escaped = false
      else if (quoted) {
        if (char === '\\') escaped = true
        else if (char === '"') quoted = false
        if (!quoted && depth === 0) return 'with'
      } else if (char === '"') quoted = true
      else if (char === '{' || char === '[') depth++
      else if (char === '}' || char === ']') {
        depth--
        if (depth === 0) return 'with'
      }
      return 'later'
    },
  }
}
