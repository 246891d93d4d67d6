import { stringStop } from './string-stop.ts'

/** Follows a text in pieces and knows whether it can still be the beginning of one JSON value. */
export interface JsonPrefix {
  push(text: string): void
  readonly isPossible: boolean
  /** The value is an object, a list or a string, and it is complete. */
  readonly isWhole: boolean
}

type Expected = 'value' | 'item' | 'key' | 'colon' | 'comma' | 'nothing'

const scalar = /^(?:-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null)$/
const scalarBegun =
  /^(?:-?(?:\d+(?:\.\d*)?)?|-?\d+(?:\.\d+)?[eE][-+]?\d*|t(?:r(?:ue?)?)?|f(?:a(?:l(?:se?)?)?)?|n(?:u(?:ll?)?)?)$/
const scalarPart = /[-+.\w]/
const space = /\s/

/** As lenient as the readers of arguments: it accepts line breaks in strings and trailing commas. */
export function jsonPrefix(): JsonPrefix {
  // The open brackets.
  const open: ('{' | '[')[] = []
  let expected: Expected = 'value'
  let inString = false
  const position = { escaped: false }
  // The number or word that is being read.
  let word = ''
  let isPossible = true

  return {
    push(text) {
      for (let at = 0; isPossible && at < text.length; at++) {
        if (inString) at = string(text, at)
        else if (scalarPart.test(text.charAt(at)) && (word !== '' || isValueNext())) word += text.charAt(at)
        else {
          if (word !== '') endWord()
          if (isPossible) mark(text.charAt(at))
        }
      }
      if (word !== '') isPossible &&= scalarBegun.test(word)
    },
    get isPossible() {
      return isPossible
    },
    get isWhole() {
      return isPossible && expected === 'nothing'
    },
  }

  function isValueNext(): boolean {
    return expected === 'value' || expected === 'item'
  }

  /** Skips to the end of the string or of the text. */
  function string(text: string, at: number): number {
    const stop = stringStop(position, text, at)
    if (stop === text.length) return stop
    inString = false
    if (expected === 'key') expected = 'colon'
    else endValue()
    return stop
  }

  function mark(char: string): void {
    if (space.test(char)) return
    if (char === '"' && (isValueNext() || expected === 'key')) inString = true
    else if ((char === '{' || char === '[') && isValueNext()) {
      open.push(char)
      expected = char === '{' ? 'key' : 'item'
    } else if (char === '}' && open.at(-1) === '{' && (expected === 'key' || expected === 'comma')) close()
    else if (char === ']' && open.at(-1) === '[' && (expected === 'item' || expected === 'comma')) close()
    else if (char === ':' && expected === 'colon') expected = 'value'
    else if (char === ',' && expected === 'comma') expected = open.at(-1) === '{' ? 'key' : 'item'
    else isPossible = false
  }

  function endWord(): void {
    isPossible = scalar.test(word)
    word = ''
    endValue()
  }

  function close(): void {
    open.pop()
    endValue()
  }

  function endValue(): void {
    expected = open.length === 0 ? 'nothing' : 'comma'
  }
}
