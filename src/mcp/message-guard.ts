export interface MessageLimits {
  /** Objects and lists that are inside each other. */
  levels: number
  /** Members and elements of all objects and lists of a message, counted by their commas and opening brackets. */
  values: number
  /** Messages in one body. */
  messages: number
}

export interface MessageGuard {
  /** Reads the next bytes. Returns what there is too much of, in words; `undefined` while there is not. */
  read(bytes: Uint8Array): string | undefined
  /** What the SDK has to do for all that has been read, in values: a message takes as long as 500 of them, 0.1 ms, a line as one. */
  cost(): number
  /** Whether events have ids, by which the rest of them can be asked for. */
  isNumbered(): boolean
}

const messageCost = 500
/** The gateway never sends requests as a list, but a server of protocol version 2025-03-26 may answer with one. */
const mostListed = 50

/**
 * Looks at the bytes of a message of JSON, or of events that hold messages, as they come. The SDK checks messages on the
 * event loop: seconds for one that is nested too deep for its functions, 0.7 s for an object of 500,000 members, and 60 s
 * for 8 MB of empty messages (Bun 1.4.5).
 */
export function messageGuard({ levels, values, messages }: MessageLimits, isEventStream: boolean): MessageGuard {
  let depth = 0
  let count = 0
  let counted = 0
  let ended = 0
  let lines = 0
  // Of a list of messages.
  let isList = false
  let listed = 1
  let inString = false
  let isEscaped = false
  const eventLines = isEventStream ? linesOfEvents(endLine) : undefined

  return {
    read(bytes) {
      // No iterator: over bytes it takes 80 ns for each.
      for (let at = 0; at < bytes.length; at++) {
        if (inString && !isEscaped && eventLines?.isInData() !== false) at = endOfPlain(bytes, at)
        const byte = bytes[at]
        if (byte === undefined) break
        if (eventLines === undefined || eventLines.next(byte)) read(byte)
        if (depth > levels) return `a message of more than ${levels} levels`
        if (count > values) return `a message of more than ${values} values`
      }
      if (ended > messages) return `more than ${messages} messages`
      return listed > mostListed && !isEventStream ? `a list of more than ${mostListed} messages` : undefined
    },
    cost: () => counted + count + lines + ended * messageCost,
    isNumbered: () => eventLines?.isNumbered() ?? false,
  }

  function read(byte: number): void {
    if (inString) {
      if (isEscaped) isEscaped = false
      else if (byte === backslash) isEscaped = true
      else if (byte === quote) inString = false
    } else if (byte === quote) inString = true
    else if (byte === comma) {
      count++
      if (isList && depth === 1) listed++
    } else if (byte === openBrace || byte === openBracket) {
      if (count === 0) isList = byte === openBracket
      depth++
      count++
    } else if (byte === closeBrace || byte === closeBracket) depth = Math.max(0, depth - 1)
  }

  function endLine(isEmpty: boolean): void {
    lines++
    if (!isEmpty) return
    ended++
    counted += count
    depth = 0
    count = 0
    inString = false
    isEscaped = false
  }
}

/** Where the characters end that mean nothing in a string. Most of a long message is one, which is passed 20 times faster. */
function endOfPlain(bytes: Uint8Array, from: number): number {
  let at = from
  for (; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === quote || byte === backslash || byte === newline || byte === carriageReturn) break
  }
  return at
}

interface EventLines {
  /**
   * Whether this byte belongs to the data of an event: comments and other fields are no part of a message, and could hold
   * brackets that close what the data has opened.
   */
  next(byte: number): boolean
  /** Whether the next byte belongs to the data, unless it ends the line. */
  isInData(): boolean
  isNumbered(): boolean
}

/** `onLine` is called at the end of each line; an empty one ends an event. */
function linesOfEvents(onLine: (isEmpty: boolean) => void): EventLines {
  // Of the line, up to the length of the longer name.
  let length = 0
  let isData = true
  let isId = true
  let isNumbered = false
  let isAfterReturn = false
  // A byte order mark may come first, and the SDK skips more than one.
  let isBegun = false

  return {
    next(byte) {
      if (!isBegun && byte >= firstOfOthers) return false
      isBegun = true
      const isSecondHalf = isAfterReturn && byte === newline
      isAfterReturn = byte === carriageReturn
      if (isSecondHalf) return false
      if (byte === newline || byte === carriageReturn) {
        onLine(length === 0)
        length = 0
        isData = true
        isId = true
        return false
      }
      if (length === dataField.length) return isData
      isData &&= byte === dataField[length]
      isId &&= byte === idField[length]
      length++
      if (length === idField.length && isId) isNumbered = true
      return false
    },
    isInData: () => length === dataField.length && isData && !isAfterReturn,
    isNumbered: () => isNumbered,
  }
}

const idField = new TextEncoder().encode('id:')
const dataField = new TextEncoder().encode('data:')
const newline = 0x0a
/** Of bytes that are no character of ASCII. */
const firstOfOthers = 0x80
const carriageReturn = 0x0d
const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
