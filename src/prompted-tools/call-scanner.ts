import type { Delta } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import { toolNamed } from '../json/repair.ts'
import {
  type Form,
  type FormVerdict,
  fenceClosing,
  fenceOpening,
  type Progress,
  tagged,
  taggedOpenings,
  wholeCode,
  wholeFence,
  wholeJson,
} from './call-forms.ts'

/** Divides the text of an answer into text, and into parts that have the form of a call. */
export interface CallScanner {
  /** Scans further text. Reports all of it but what may still become a call. */
  scan(text: string, out: Delta[]): void
  /** Takes the text that is held back, because the answer pauses or ends. Then the beginning of the answer is over. */
  take(): CallCandidate | undefined
  /** Reports a held text as plain text. */
  release(held: string, out: Delta[]): void
  /** Whether text is held back that is most likely no call: it began with a mark, and is still text. */
  holdsText(): boolean
  /** Whether text without a mark would be reported as it is: nothing is held back, and calls are still searched. */
  isPlain(): boolean
  /** Reasoning came before the answer. */
  afterReasoning(): void
  /** A call was found in a text: what follows is not at the start of a line. */
  afterCall(): void
}

/** What the scanner reports, each part of the text once and in order. */
export interface ScannerHandlers {
  /** White space in front of the answer. */
  onBlank(text: string): void
  /** Text that is certainly no call. */
  onText(text: string, out: Delta[]): void
  /** A complete form. Returns whether it is a call, is text, which is then reported, or has ended the answer by an error. */
  onCall(written: string, out: Delta[]): 'call' | 'text' | 'failed'
  /**
   * The model starts to write the result of a call itself. Returns whether the rest of the answer depends on that result,
   * and is not searched.
   */
  dependsOnResult(): boolean
  /** A call is too long to be held back. The rest of the answer is not searched. */
  onTooLong(): void
}

/** Text that may be a call. Its beginning is held back until that is known. */
export interface CallCandidate {
  form: Form
  /** `mark`: a tag or a fence line, at any position. `whole`, `fenced`: the candidate is the whole message. */
  kind: 'mark' | 'whole' | 'fenced'
  /** Text of earlier pieces. It is only appended to, so the cost of a long call is its length. */
  held: string
  /** Where the candidate continues in the current piece. */
  from: number
  progress: Progress
  /** What the form has decided; `undefined` while it needs more text. */
  verdict: FormVerdict | undefined
}

/** A line break and three spaces: enough to decide whether a mark is at the start of a line. */
const leadLength = 4

/** `scanLimit`: longest text that is held back, in UTF-16 units. */
export function callScanner(tools: readonly Tool[], scanLimit: number, handlers: ScannerHandlers): CallScanner {
  const scan = newScan(tools, scanLimit, handlers)

  return {
    scan: (text, out) => scanText(scan, text, out),
    take() {
      const taken = scan.candidate
      scan.candidate = undefined
      scan.isBeginning = false
      return taken
    },
    release: (held, out) => report(scan, held, out),
    holdsText: () => scan.candidate?.progress === 'text' && scan.candidate.kind === 'mark',
    isPlain: () => scan.candidate === undefined && !scan.isOver,
    afterReasoning() {
      scan.hasReasoning = true
    },
    afterCall() {
      scan.before = '>'
    },
  }
}

/** What the scanner knows of the answer. */
interface Scan {
  /** Names of the tools. */
  readonly names: readonly string[]
  readonly isTool: (name: string) => boolean
  readonly scanLimit: number
  readonly handlers: ScannerHandlers
  candidate: CallCandidate | undefined
  /** Only white space so far, so the whole message may still be a call. */
  isBeginning: boolean
  /** The end of the text so far: enough to recognise the start of a line and a backtick. */
  before: string
  /** The characters that opened the current code fence. */
  fence: string | undefined
  hasReasoning: boolean
  /** No further calls are searched: after an invented result, a call that is too long, or a failure. */
  isOver: boolean
}

function newScan(tools: readonly Tool[], scanLimit: number, handlers: ScannerHandlers): Scan {
  return {
    names: tools.map((tool) => tool.name),
    isTool: (name) => toolNamed(name, tools) !== undefined,
    scanLimit,
    handlers,
    candidate: undefined,
    isBeginning: true,
    before: '\n',
    fence: undefined,
    hasReasoning: false,
    isOver: false,
  }
}

function scanText(scan: Scan, text: string, out: Delta[]): void {
  let input = text
  let at = scan.candidate ? 0 : seek(scan, input, 0, out)
  while (scan.candidate) {
    const current: CallCandidate = scan.candidate
    at = advance(current, input, at, current.from + scan.scanLimit - current.held.length)
    const { verdict } = current
    if (verdict === undefined && at === input.length) {
      current.held += input.slice(current.from)
      current.from = 0
      return
    }
    scan.candidate = undefined
    if (verdict === undefined && current.progress === 'unfinished') {
      scan.isOver = true
      scan.handlers.onTooLong()
      return
    }
    if (verdict === undefined || verdict === 'no') {
      // The first character is text, and the rest is searched again.
      if (current.held !== '') input = current.held + input.slice(current.from)
      at = current.held === '' ? current.from : 0
      scan.isBeginning = false
      if (current.kind === 'mark') report(scan, input.charAt(at++), out)
    } else {
      if (verdict !== 'text') at++
      decide(scan, verdict, current.held + input.slice(current.from, at), out)
    }
    at = seek(scan, input, at, out)
  }
}

/** Acts on what the form of a candidate has decided. */
function decide(scan: Scan, verdict: Exclude<FormVerdict, 'no'>, written: string, out: Delta[]): void {
  switch (verdict) {
    case 'call': {
      const found = scan.handlers.onCall(written, out)
      if (found === 'text') report(scan, written, out)
      scan.isOver = found === 'failed'
      break
    }
    case 'fence':
      scan.fence = scan.fence === undefined ? /[`~]+/.exec(written)?.[0] : undefined
      report(scan, written, out)
      break
    case 'result':
      scan.isOver = scan.handlers.dependsOnResult()
      report(scan, written, out)
      break
    case 'text':
      scan.isBeginning = false
      report(scan, written, out)
      break
    default:
      verdict satisfies never
  }
}

/** Reports text that cannot begin a call. Returns the position of a character that may, or the length. */
function seek(scan: Scan, input: string, from: number, out: Delta[]): number {
  if (scan.isOver) return input.length
  let at = from
  if (scan.isBeginning) {
    at = indexOf(/\S/g, input, from)
    scan.handlers.onBlank(input.slice(from, at))
    const whole = at < input.length ? wholeForm(scan, input.charAt(at)) : undefined
    if (whole) begin(scan, whole.kind, whole.form, at)
    if (whole || at === input.length) return at
    scan.isBeginning = false
  }
  const start = nextMark(scan, input, at)
  report(scan, input.slice(at, start), out)
  if (start === input.length) return start
  if (input.charAt(start) === '<') begin(scan, 'mark', tagged(), start)
  else begin(scan, 'mark', scan.fence === undefined ? fenceOpening() : fenceClosing(scan.fence), start)
  return start
}

/** The form that the whole message may have, judged by its first character. */
function wholeForm(scan: Scan, first: string): Pick<CallCandidate, 'kind' | 'form'> | undefined {
  if (first === '{') return { kind: 'whole', form: wholeJson(scan.isTool) }
  if (first === '`' || first === '~') return { kind: 'fenced', form: wholeFence(scan.isTool) }
  // Code without a tag counts as a call only directly after reasoning, where models are known to write it.
  return scan.hasReasoning && /\w/.test(first) ? { kind: 'whole', form: wholeCode(scan.names) } : undefined
}

function begin(scan: Scan, kind: CallCandidate['kind'], form: Form, from: number): void {
  form.next() // runs the generator to its first `yield`, so that it can receive characters
  scan.candidate = { form, kind, held: '', from, progress: 'text', verdict: undefined }
}

/** Index of the next tag or fence line from which a call may be read; the length of the text if there is none. */
function nextMark({ before, fence }: Scan, input: string, from: number): number {
  const lead = (end: number) => before + input.slice(Math.max(from, end - leadLength), end)
  for (let at = from; ; at++) {
    at = indexOf(fence === undefined ? /[<`~]/g : /[`~]/g, input, at)
    if (at === input.length) return at
    const isTag = input.charAt(at) === '<'
    // Most tags do not belong to calls, and parsing one costs a hundred times as much as this check.
    if (isTag ? mayOpen(input, at) && !lead(at).endsWith('`') : /\n {0,3}$/.test(lead(at))) return at
  }
}

function report(scan: Scan, text: string, out: Delta[]): void {
  if (text === '') return
  const { before } = scan
  scan.before = (text.length < leadLength ? before + text : text).slice(-leadLength)
  scan.handlers.onText(text, out)
}

/** Gives characters to the form until it decides, the text ends or the limit is reached. Returns the position behind them. */
function advance(candidate: CallCandidate, input: string, from: number, limit: number): number {
  let at = from
  while (at < input.length && at < limit) {
    const step = candidate.form.next(input.charAt(at))
    if (step.done) {
      candidate.verdict = step.value
      return at
    }
    candidate.progress = step.value
    at++
  }
  return at
}

/** Whether a tag that opens a call or a result begins at `at`, or may begin there. */
function mayOpen(input: string, at: number): boolean {
  return taggedOpenings.some((tag) => input.startsWith(tag.slice(0, input.length - at), at))
}

/** Index of the first match of a global pattern at or after `from`; the length of the text if there is none. */
function indexOf(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.exec(text)?.index ?? text.length
}
