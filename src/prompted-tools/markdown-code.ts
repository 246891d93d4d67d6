/** Follows a Markdown text and knows which parts are code. */
export interface CodePlaces {
  read(text: string): void
  /** Whether the next text is in a code fence or between backticks. */
  readonly inside: boolean
  /** The last character so far. */
  readonly before: string
}

interface Run {
  mark: string
  length: number
  /** At most three spaces are before it in its line. */
  isFirst: boolean
}

/** The result does not depend on how the text is split, and nothing is held back. */
export function codePlaces(): CodePlaces {
  // The current run of backticks or tildes at the end of the text.
  let run: Run | undefined
  let fence: Run | undefined
  // Number of backticks that opened inline code; 0 outside of it.
  let span = 0
  // Spaces at the beginning of the line; `undefined` after the first word.
  let indent: number | undefined = 0
  let lineIsBlank = true
  let before = ''

  return {
    read(text) {
      if (text === '') return
      for (let at = skipsTo(text); at < text.length; at++) {
        const char = text.charAt(at)
        if (char === '`' || char === '~') mark(char)
        else {
          endRun()
          if (char === '\n') endLine()
          else if (char === ' ' && indent !== undefined) indent++
          else {
            if (char !== ' ' && char !== '\r' && char !== '\t') lineIsBlank = false
            if (char !== ' ') indent = undefined
            at = wordEnd(text, at)
          }
        }
      }
      before = text.charAt(text.length - 1)
    },
    get inside() {
      endRun()
      return fence !== undefined || span > 0
    },
    get before() {
      return before
    },
  }

  /** Outside of inline code, lines without marks say nothing about the lines after them: all but the last are skipped. */
  function skipsTo(text: string): number {
    const lastLine = text.lastIndexOf('\n') + 1
    if (lastLine === 0 || span > 0 || anyMark.test(text)) return 0
    endRun()
    // A run that has just ended may have begun inline code.
    if (span > 0) return 0
    endLine()
    return lastLine
  }

  function mark(char: string): void {
    lineIsBlank = false
    if (run?.mark === char) run.length++
    else {
      endRun()
      run = { mark: char, length: 1, isFirst: indent !== undefined && indent <= 3 }
    }
    indent = undefined
  }

  /** Evaluates the run that has just ended. */
  function endRun(): void {
    if (run === undefined) return
    const { mark, length, isFirst } = run
    if (fence !== undefined) {
      if (isFirst && mark === fence.mark && length >= fence.length) fence = undefined
    } else if (isFirst && length >= 3) {
      fence = run
      span = 0
    } else if (mark === '`' && (span === 0 || span === length)) span = span === 0 ? length : 0
    run = undefined
  }

  function endLine(): void {
    // Inline code ends with its paragraph.
    if (lineIsBlank) span = 0
    lineIsBlank = true
    indent = 0
  }
}

const anyMark = /[`~]/
const wordStop = /[`~\n]/g

/** Index of the last character before the next one that matters. */
function wordEnd(text: string, at: number): number {
  wordStop.lastIndex = at
  const stop = wordStop.exec(text)?.index ?? text.length
  return stop - 1
}
