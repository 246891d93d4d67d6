export interface MessageLimits {
  /** Levels of nested objects and lists. */
  levels: number
  /** Members and elements of all objects and lists of a message, counted by their commas and opening brackets. */
  values: number
  /** Messages in one body. */
  messages: number
}

export interface MessageGuard {
  /** Reads the next bytes. Returns which limit is exceeded, in words; `undefined` if none is. */
  read(bytes: Uint8Array): string | undefined
  /**
   * The SDK's work for all bytes so far, in the time that one value takes. A message counts as 500 values (0.1 ms), a
   * line as one.
   */
  cost(): number
  /** Whether events have ids, so that the rest of the stream can be requested. */
  isNumbered(): boolean
}

const messageCost = 500
/**
 * The most messages in a list. The gateway never sends lists of requests, but a server of protocol version 2025-03-26
 * may answer with a list.
 */
const mostListed = 50

/**
 * Checks the bytes of a JSON message, or of events with messages, as they arrive. It is needed because the SDK
 * validates messages on the event loop. That takes seconds for a message that is nested too deep, 0.7 s for an object
 * of 500,000 members, and 60 s for 8 MB of empty messages (Bun 1.4.5).
 */
export function messageGuard({ levels, values, messages }: MessageLimits, isEventStream: boolean): MessageGuard {
  let depth = 0
  let count = 0
  let counted = 0
  let ended = 0
  let lines = 0
  // Whether the body is a list of messages, and the number of its elements.
  let isList = false
  let listed = 1
  let inString = false
  let isEscaped = false
  const eventLines = isEventStream ? linesOfEvents(endLine) : undefined

  return {
    read(bytes) {
      // An index, because an iterator takes 80 ns for each byte.
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

/**
 * Where the next byte stands that can end the string or the line. Long messages are mostly one long string, and skipping
 * the bytes before that one reads it 20 times as fast.
 */
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
   * Reads a byte. Returns whether it belongs to the data of an event: only data is part of a message, so brackets in
   * comments and other fields are not counted.
   */
  next(byte: number): boolean
  /** Whether the next byte belongs to the data, unless it ends the line. */
  isInData(): boolean
  isNumbered(): boolean
}

/** `onLine` is called at the end of each line; an empty one ends an event. */
function linesOfEvents(onLine: (isEmpty: boolean) => void): EventLines {
  // The length of the line so far, up to the length of the longest field name.
  let length = 0
  let isData = true
  let isId = true
  let isNumbered = false
  let isAfterReturn = false
  // Byte order marks may come first. The SDK skips more than one.
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
/** The lowest byte that is not ASCII. */
const firstOfOthers = 0x80
const carriageReturn = 0x0d
const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
