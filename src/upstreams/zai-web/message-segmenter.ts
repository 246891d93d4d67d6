import type { MessagePiece } from './release-buffer.ts'
import { type SegmentState, type SegmentWriter, type Stretch, segmentWriter } from './segment-writer.ts'

/** Position of the reader in the message. */
type Mode =
  /** Plain text. */
  | 'outside'
  /** After `<details type="reasoning" …>`: white space and a summary are skipped. */
  | 'head'
  | 'summary'
  /** After a line break in reasoning: the prefix `> ` is skipped. */
  | 'lineStart'
  | 'reasoning'
  | 'block'
  /** After a closing tag: one line break is skipped. */
  | 'after'

/** The complete state of the reader. Its values are replaced, never changed, so a shallow copy is a snapshot. */
interface SegmenterState {
  mode: Mode
  /** The beginning of a tag or prefix that cannot be recognised yet. */
  carry: readonly Stretch[]
  /** A high surrogate whose low surrogate has not arrived. */
  highSurrogate: string
  /** The JSON of the open block so far. */
  json: string
  written: SegmentState
}

/** The reader, and what it reads at present. */
interface Segmenter {
  readonly add: (piece: MessagePiece) => void
  readonly writer: SegmentWriter
  state: Omit<SegmenterState, 'written'>
  /** The input of the current read: what was carried over, and the new text. */
  stretches: readonly Stretch[]
}

interface MessageSegmenter {
  read(text: string, isReasoning: boolean): void
  /** Reads what was carried over as it is, because nothing more follows. */
  end(): void
  save(): SegmenterState
  restore(state: SegmenterState): void
}

/** Result of a step that needs more input to decide. */
const needsMore = undefined

// A longer attribute list is not taken for a tag: this limits how much has to be carried over and read again.
const wrapper = /<details type="reasoning"[^<>]{0,400}>/y
const halfWrapper = /<details type="reasoning"[^<>]{0,400}$/y
const block = /<glm_block(?:\s[^<>]{0,400})?>\s{0,8}\{/y
const halfBlock = /<glm_block(?:\s[^<>]{0,400})?(?:>\s{0,8})?$/y
const wrapperName = '<details type="reasoning"'
const blockName = '<glm_block'
const wrapperEnd = '</details>'
const blockEnd = '</glm_block>'
const summary = '<summary>'
const summaryEnd = /<\/(?:summary|details)>/g
const longestSummaryEnd = wrapperEnd.length

/**
 * Reads the message from left to right and separates reasoning, answer and tool blocks.
 *
 * The text of `<details type="reasoning" …>` is reasoning whatever the phase of its frame, because the edit that closes
 * a wrapper repeats its text in phase `answer`. Outside of wrappers the phase decides. A tag that is not complete is
 * carried over to the next read. Each read costs the length of its text and of what was carried over.
 */
export function messageSegmenter(add: (piece: MessagePiece) => void): MessageSegmenter {
  const writer = segmentWriter(add)
  const segmenter: Segmenter = {
    add,
    writer,
    state: { mode: 'outside', carry: [], highSurrogate: '', json: '' },
    stretches: [],
  }

  return {
    read(text, isReasoning) {
      const { state } = segmenter
      const joined = state.highSurrogate + text
      const whole = joined.length - (endsInHalf(joined) ? 1 : 0)
      state.highSurrogate = joined.slice(whole)
      segmenter.stretches = [...state.carry, { text: joined.slice(0, whole).toWellFormed(), isReasoning }]
      readStretches(segmenter)
    },
    end() {
      const { state } = segmenter
      const rest = textOf(state.carry)
      if (state.mode === 'outside') {
        writer.plain(between(state.carry, 0, rest.length))
        writer.endSpace()
      } else if (state.mode === 'head' || state.mode === 'reasoning') writer.wrapped(rest)
      state.carry = []
    },
    save: () => ({ ...segmenter.state, written: writer.save() }),
    restore({ written, ...saved }) {
      segmenter.state = saved
      writer.restore(written)
    },
  }
}

/** Reads as far as can be decided, and carries the rest over. */
function readStretches(segmenter: Segmenter): void {
  const { state, stretches } = segmenter
  const input = textOf(stretches)
  let at: number | undefined = 0
  let decidedAt = 0
  while (at !== needsMore && at < input.length) {
    decidedAt = at
    at = steps[state.mode](segmenter, input, at)
  }
  state.carry = at === needsMore ? between(stretches, decidedAt, input.length) : []
}

/** Reads from `at`, and returns the position it reached, or `needsMore`. */
type SegmentStep = (segmenter: Segmenter, input: string, at: number) => number | undefined

const steps: Record<Mode, SegmentStep> = {
  outside: readOutside,
  head: readHead,
  summary: readSummary,
  lineStart: readLineStart,
  reasoning: readReasoning,
  block: readBlock,
  after: readAfter,
}

function readOutside(segmenter: Segmenter, input: string, at: number): number | undefined {
  const tag = input.indexOf('<', at)
  if (tag !== at) {
    const end = tag < 0 ? input.length : tag
    segmenter.writer.plain(between(segmenter.stretches, at, end))
    return end
  }
  const wrapperBodyAt = endOf(wrapper, input, at)
  if (wrapperBodyAt !== undefined) {
    segmenter.writer.beginWrapper()
    segmenter.state.mode = 'head'
    return wrapperBodyAt
  }
  const jsonAt = endOf(block, input, at)
  if (jsonAt !== undefined) {
    segmenter.writer.endSpace()
    segmenter.state.mode = 'block'
    segmenter.state.json = '{'
    return jsonAt
  }
  const partialTag = endOf(halfWrapper, input, at) ?? endOf(halfBlock, input, at)
  if (partialTag !== undefined || isStart(input, at, wrapperName) || isStart(input, at, blockName)) return needsMore
  segmenter.writer.plain(between(segmenter.stretches, at, at + 1))
  return at + 1
}

function readHead(segmenter: Segmenter, input: string, at: number): number | undefined {
  const blank = input.length - input.slice(at).trimStart().length
  if (blank > at) return blank
  if (input.startsWith(wrapperEnd, at)) return close(segmenter, at + wrapperEnd.length)
  if (input.startsWith(summary, at)) {
    segmenter.state.mode = 'summary'
    return at + summary.length
  }
  if (isStart(input, at, summary) || isStart(input, at, wrapperEnd)) return needsMore
  segmenter.state.mode = 'lineStart'
  return at
}

function readSummary(segmenter: Segmenter, input: string, at: number): number | undefined {
  summaryEnd.lastIndex = at
  const end = summaryEnd.exec(input)?.[0]
  if (end === wrapperEnd) return close(segmenter, summaryEnd.lastIndex)
  if (end !== undefined) {
    segmenter.state.mode = 'head'
    return summaryEnd.lastIndex
  }
  const skipped = input.length - longestSummaryEnd + 1
  return skipped > at ? skipped : needsMore
}

function readLineStart(segmenter: Segmenter, input: string, at: number): number | undefined {
  if (input[at] === '>' && at + 1 === input.length) return needsMore
  segmenter.state.mode = 'reasoning'
  if (input[at] !== '>') return at
  return input[at + 1] === ' ' ? at + 2 : at + 1
}

function readReasoning(segmenter: Segmenter, input: string, at: number): number | undefined {
  const stop = input.slice(at).search(/[\n<]/)
  if (stop !== 0) {
    const end = stop < 0 ? input.length : at + stop
    segmenter.writer.wrapped(input.slice(at, end))
    return end
  }
  const breaks = input[at] === '\n'
  const tag = breaks ? at + 1 : at
  if (input.startsWith(wrapperEnd, tag)) return close(segmenter, tag + wrapperEnd.length)
  if (isStart(input, tag, wrapperEnd)) return needsMore
  segmenter.writer.wrapped(input.charAt(at))
  if (breaks) segmenter.state.mode = 'lineStart'
  return at + 1
}

function readBlock(segmenter: Segmenter, input: string, at: number): number | undefined {
  const end = input.indexOf(blockEnd, at)
  if (end >= 0) {
    segmenter.add({ type: 'block', json: segmenter.state.json + input.slice(at, end) })
    segmenter.state.json = ''
    return close(segmenter, end + blockEnd.length)
  }
  const safe = input.length - blockEnd.length + 1
  if (safe <= at) return needsMore
  segmenter.state.json += input.slice(at, safe)
  return safe
}

function close({ state }: Segmenter, end: number): number {
  state.mode = 'after'
  return end
}

function readAfter({ state }: Segmenter, input: string, at: number): number {
  state.mode = 'outside'
  return input[at] === '\n' ? at + 1 : at
}

/** The input from one position to another. */
function between(stretches: readonly Stretch[], from: number, to: number): Stretch[] {
  const found: Stretch[] = []
  let start = 0
  for (const { text, isReasoning } of stretches) {
    const part = text.slice(Math.max(0, from - start), Math.max(0, to - start))
    if (part !== '') found.push({ text: part, isReasoning })
    start += text.length
  }
  return found
}

function textOf(stretches: readonly Stretch[]): string {
  return stretches.length === 1 ? (stretches[0]?.text ?? '') : stretches.map((stretch) => stretch.text).join('')
}

function endOf(pattern: RegExp, input: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(input) ? pattern.lastIndex : undefined
}

/** The rest of the input may be the beginning of `word`. */
function isStart(input: string, at: number, word: string): boolean {
  return input.length - at < word.length && word.startsWith(input.slice(at))
}

function endsInHalf(text: string): boolean {
  const last = text.charCodeAt(text.length - 1)
  return last >= 0xd800 && last <= 0xdbff
}
