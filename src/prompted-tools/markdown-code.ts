/** Follows a text in Markdown, and knows where it is code. */
export interface CodePlaces {
  read(text: string): void
  /** Whether what comes next stands in a code fence or between backticks. */
  readonly inside: boolean
  /** The last character so far. */
  readonly before: string
}

interface Run {
  mark: string
  length: number
  /** Nothing but three spaces at most stands before it in its line. */
  isFirst: boolean
}

/** Whatever the text is cut into, the answer is the same; nothing is held back. */
export function codePlaces(): CodePlaces {
  // The run of backticks or tildes at the end of the text so far.
  let run: Run | undefined
  let fence: Run | undefined
  // Backticks that opened code inside a line; 0 outside of it.
  let span = 0
  // Spaces at the beginning of the line; `undefined` behind the first word.
  let indent: number | undefined = 0
  let lineIsBlank = true
  let before = ''

  return {
    read(text) {
      if (text === '') return
      for (let at = 0; at < text.length; at++) {
        const char = text.charAt(at)
        if (char === '`' || char === '~') mark(char)
        else {
          settle()
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
      settle()
      return fence !== undefined || span > 0
    },
    get before() {
      return before
    },
  }

  function mark(char: string): void {
    lineIsBlank = false
    if (run?.mark === char) run.length++
    else {
      settle()
      run = { mark: char, length: 1, isFirst: indent !== undefined && indent <= 3 }
    }
    indent = undefined
  }

  /** The run is over. */
  function settle(): void {
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
    // Code inside a line ends with its paragraph.
    if (lineIsBlank) span = 0
    lineIsBlank = true
    indent = 0
  }
}

const wordStop = /[`~\n]/g

/** The last character in front of the next that tells anything. */
function wordEnd(text: string, at: number): number {
  wordStop.lastIndex = at
  const stop = wordStop.exec(text)?.index ?? text.length
  return stop - 1
}
