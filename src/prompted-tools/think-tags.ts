import type { TextKind } from '../core/events.ts'
import { type ChannelPieces, type ChannelText, channelPieces } from './channel-pieces.ts'
import { type CodePlaces, codePlaces } from './markdown-code.ts'
import { isClosingMention, isOpeningMention, mayBeClosingMention } from './tag-mentions.ts'

/** Reads the text of a model piece by piece. */
export interface TagReader {
  push(text: string): ChannelText[]
  /** Another kind of delta follows: a tag that is held back will not be completed. */
  onPause(): ChannelText[]
  end(): ChannelText[]
  /** Whether text without a tag currently passes unchanged. */
  readonly open: boolean
  /** Whether text is held back that has to be sent before anything in another channel. */
  readonly waiting: boolean
}

export interface TagReaderOptions {
  /** The channel that the model wrote to. */
  channel: TextKind
  /** Vision models put the final answer into a frame. */
  frames: boolean
}

type TagPosition =
  /** Before the first word. */
  | 'beginning'
  | 'words'
  /** In `<think>` before the answer. The reasoning is sent as it arrives. */
  | 'leading-reasoning'
  /** In `<think>` in the middle of the answer. Its text is held back until it is known whether the tag is closed. */
  | 'inline-reasoning'
  /** In a call written as text, whose arguments may hold any tag. */
  | 'call'
  /** JSON, whose strings may hold any tag. */
  | 'json'

/** The first character of every tag. */
const tagStart = '<'
const opening = '<think>'
const closing = '</think>'
const calls = ['<tool_call>', '<tool_calls>', '<function_calls>']
const tags: readonly string[] = [opening, closing, ...calls]
const tagsAndFrames: readonly string[] = [...tags, '<|begin_of_box|>', '<|end_of_box|>']
/** Longest reasoning in the middle of an answer, in UTF-16 units. */
const maxInlineReasoning = 100_000
/** Longest white space before the first word, in UTF-16 units: it is read again with each piece. */
const longestLead = 2_000

/** What has been read of a text, and where the reader stands in it. */
interface TagReading {
  /** The channel that the model wrote to. */
  readonly channel: TextKind
  /** The tags that are looked for. */
  readonly tags: readonly string[]
  readonly code: CodePlaces
  readonly pieces: ChannelPieces
  position: TagPosition
  /** The end of the input, which may still become a tag. */
  held: string
  /** The text of the open inline `<think>` so far. */
  inlineReasoning: string
  /** Set by a tag before the first word: the white space between the two is dropped. */
  dropsLeadingSpace: boolean
  /** The closing tag of the call that is being read; set when the call begins. */
  callEnd: string
  /** Mentioned opening tags whose closing tag has not followed. Each of them makes one later closing tag a mention. */
  mentions: number
}

/**
 * Removes the tags of reasoning from a text, and moves the reasoning inside them out of the answer.
 *
 * Tags that the text only mentions are kept: those in code or in quotes, and a `<think>` in a sentence with the
 * `</think>` after it. Any other `</think>` is left over from reasoning and dropped, and so is a `<think>` that is
 * never closed. Text that may still become a tag is held back, so the output does not depend on how the text is split.
 */
export function tagReader({ channel, frames }: TagReaderOptions): TagReader {
  const reading: TagReading = {
    channel,
    tags: frames ? tagsAndFrames : tags,
    code: codePlaces(),
    pieces: channelPieces(),
    position: 'beginning',
    held: '',
    inlineReasoning: '',
    dropsLeadingSpace: false,
    callEnd: '',
    mentions: 0,
  }

  return {
    push(text) {
      const out = reading.pieces.begin()
      readAll(reading, reading.held + text)
      return out
    },
    onPause() {
      const out = reading.pieces.begin()
      if (isWaiting(reading)) release(reading, 'reasoning')
      reading.pieces.addMark(channel)
      return out
    },
    end() {
      const out = reading.pieces.begin()
      release(reading, 'text')
      reading.pieces.addMark(channel)
      return out
    },
    get open() {
      const { held, pieces, position } = reading
      return held === '' && !pieces.isMarked && (position === 'words' || position === 'json')
    },
    get waiting() {
      return isWaiting(reading)
    },
  }
}

/** Reads what can be read of the input, and holds the rest back. */
function readAll(reading: TagReading, input: string): void {
  reading.held = ''
  let at = 0
  while (at < input.length) {
    const next = steps[reading.position](reading, input, at)
    if (next === undefined) {
      reading.held = input.slice(at)
      return
    }
    at = next
  }
}

/** Reads from `at` and returns the position it reached; `undefined` if it needs more input. */
type Step = (reading: TagReading, input: string, at: number) => number | undefined

const steps: Record<TagPosition, Step> = {
  beginning: readBeginning,
  words: readWords,
  'leading-reasoning': readReasoning,
  'inline-reasoning': readReasoning,
  call: readCall,
  json: readJson,
}

function readBeginning(reading: TagReading, input: string, at: number): number | undefined {
  const word = input.slice(at).search(/\S/)
  if (word > longestLead || (word < 0 && input.length - at > longestLead)) {
    // White space of this length is not held back, because it may go on without end.
    reading.position = 'words'
    return at
  }
  if (word < 0) return undefined
  const first = at + word
  const tag = tagAt(reading, input, first)
  if (tag === undefined && mayBecomeTag(reading, input, first)) return undefined
  if (tag === undefined || calls.includes(tag)) {
    reading.position = reading.channel === 'text' && /[{[]/.test(input.charAt(first)) ? 'json' : 'words'
    return reading.dropsLeadingSpace ? first : at
  }
  reading.dropsLeadingSpace = true
  if (tag === opening && reading.channel === 'text') reading.position = 'leading-reasoning'
  if (tag === closing) reading.pieces.markEnd()
  return first + tag.length
}

function readWords(reading: TagReading, input: string, at: number): number | undefined {
  const found = input.indexOf(tagStart, at)
  const start = found < 0 ? input.length : found
  if (start > at) {
    write(reading, input.slice(at, start))
    return start
  }
  if (!reading.code.inside) {
    const tag = tagAt(reading, input, start)
    if (tag !== undefined) return readTag(reading, tag, input, start)
    if (mayBecomeTag(reading, input, start)) return undefined
  }
  write(reading, tagStart)
  return start + 1
}

/** Reads a tag, and returns the position behind it; `undefined` if what follows decides whether it is a mention. */
function readTag(reading: TagReading, tag: string, input: string, at: number): number | undefined {
  const next = at + tag.length
  if (calls.includes(tag)) {
    reading.position = 'call'
    reading.callEnd = tag.replace('<', '</')
    write(reading, tag)
    return next
  }
  if (tag === opening) return readOpening(reading, input, next)
  return tag === closing ? readClosing(reading, input, next) : next
}

function readOpening(reading: TagReading, input: string, next: number): number | undefined {
  if (next === input.length) return undefined
  if (isOpeningMention(input.charAt(next))) {
    reading.mentions++
    write(reading, opening)
  } else if (reading.channel === 'text') {
    reading.position = 'inline-reasoning'
    reading.inlineReasoning = ''
  }
  return next
}

function readClosing(reading: TagReading, input: string, next: number): number | undefined {
  const { code, mentions } = reading
  const behind = input.slice(next, next + 2)
  if (mentions === 0 && mayBeClosingMention(code.before, behind)) return undefined
  if (mentions > 0 || isClosingMention(code.before, behind)) write(reading, closing)
  else reading.pieces.markEnd()
  reading.mentions = Math.max(0, mentions - 1)
  return next
}

function readCall(reading: TagReading, input: string, at: number): number | undefined {
  const { callEnd } = reading
  const stop = stopBefore(callEnd, input, at)
  const isEnd = input.startsWith(callEnd, stop)
  if (!isEnd && stop === at) return undefined
  reading.pieces.add(reading.channel, input.slice(at, stop) + (isEnd ? callEnd : ''))
  if (isEnd) reading.position = 'words'
  return isEnd ? stop + callEnd.length : stop
}

function readReasoning(reading: TagReading, input: string, at: number): number | undefined {
  const stop = stopBefore(closing, input, at)
  const isEnd = input.startsWith(closing, stop)
  if (!isEnd && stop === at) return undefined
  const text = input.slice(at, stop)
  if (reading.position === 'inline-reasoning') readInline(reading, text, isEnd)
  else {
    reading.pieces.add('reasoning', text)
    if (isEnd) reading.position = 'beginning'
  }
  return isEnd ? stop + closing.length : stop
}

/** Sends the held text as reasoning once its tag is closed, and as text once it is too long to be reasoning. */
function readInline(reading: TagReading, text: string, isEnd: boolean): void {
  reading.inlineReasoning += text
  if (isEnd) sendInline(reading, 'reasoning')
  else if (reading.inlineReasoning.length > maxInlineReasoning) sendInline(reading, 'text')
}

function sendInline(reading: TagReading, as: TextKind): void {
  const text = reading.inlineReasoning
  if (as === 'text') write(reading, text)
  else reading.pieces.add('reasoning', text)
  reading.inlineReasoning = ''
  reading.position = 'words'
}

function readJson({ pieces, channel }: TagReading, input: string, at: number): number {
  pieces.add(channel, input.slice(at))
  return input.length
}

function isWaiting({ held, position }: TagReading): boolean {
  return held.trim() !== '' || position === 'inline-reasoning'
}

/** Sends what is held back: no tag will be completed. */
function release(reading: TagReading, inlineReasoningAs: TextKind): void {
  const { held } = reading
  const isLeftover = held.startsWith(closing)
  const rest = held === opening ? '' : held.slice(isLeftover ? closing.length : 0)
  if (isLeftover) reading.pieces.markEnd()
  reading.held = ''
  if (reading.position === 'leading-reasoning') reading.pieces.add('reasoning', rest)
  else if (reading.position === 'inline-reasoning') {
    reading.inlineReasoning += rest
    sendInline(reading, inlineReasoningAs)
  } else {
    write(reading, rest)
    if (rest.trim() !== '') reading.position = 'words'
  }
}

function write({ code, pieces, channel }: TagReading, text: string): void {
  code.read(text)
  pieces.add(channel, text)
}

function tagAt({ tags }: TagReading, input: string, at: number): string | undefined {
  if (input[at] !== tagStart) return undefined
  return tags.find((tag) => input.startsWith(tag, at))
}

function mayBecomeTag({ tags }: TagReading, input: string, at: number): boolean {
  if (input[at] !== tagStart) return false
  const rest = input.slice(at, at + 20)
  return tags.some((tag) => rest.length < tag.length && tag.startsWith(rest))
}

/** Where the text before `end` stops: at `end`, or at the beginning of it with which the input ends. */
function stopBefore(end: string, input: string, at: number): number {
  const found = input.indexOf(end, at)
  return found >= 0 ? found : input.length - partialLength(input.slice(at), end)
}

/** Length of the longest beginning of `word` with which `text` ends. */
function partialLength(text: string, word: string): number {
  for (let length = Math.min(word.length - 1, text.length); length > 0; length--)
    if (text.endsWith(word.slice(0, length))) return length
  return 0
}
