import { GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import { runTransform, type Transform } from '../core/transform.ts'
import { type CallCandidate, type CallScanner, callScanner } from './call-scanner.ts'
import { closedForm, readDeclaredCalls } from './written-calls.ts'

export interface ParserOptions {
  /** Longest text that is held back, in UTF-16 units. A longer call counts as unfinished. */
  scanLimit: number
}

/** The first character of a tag or a fence. */
export const anyMark = /[<`~]/

/** Keys of calls found in the text; upstreams use other keys. */
const writtenKey = /^text-\d+$/

export function isWrittenCall(delta: Extract<Delta, { type: 'tool-call' }>): boolean {
  return writtenKey.test(delta.key)
}

/**
 * Finds tool calls written as text in the answer. Reasoning is not searched.
 *
 * - A call of a declared tool becomes one `tool-call` delta with complete, compact arguments. Its key is
 *   `text-<index>`, which no upstream uses.
 * - A call of an undeclared tool stays text. So does a call in a code fence or directly after a backtick, because it is
 *   documentation. Exception: a fence that is the whole message.
 * - After the first call only further calls count, and other text is dropped. Once the model writes a `<tool_response>`
 *   itself, everything after it is dropped, including calls, because they depend on an invented result.
 * - At the end of the model's turn, a call that lacks only its closing tags is a call. A call that lacks more stays
 *   text, because an empty answer would say less, and `stop` becomes `length`.
 * - A call that is cut in any other way is dropped, and `stop` becomes `length`.
 * - A complete call of a declared tool that cannot be parsed ends the stream with an error. Its text, a guess, or a
 *   normal end would mislead the client.
 *
 * The output does not depend on how the text is split into pieces.
 */
export function toolCallParser(tools: readonly Tool[], options: ParserOptions): Transform<Delta, Delta> {
  const answer = newAnswer(tools, options)

  return {
    push(delta, out) {
      if (!answer.isOver) readDelta(answer, delta, out)
    },
    end(out) {
      if (!answer.isOver) decide(answer, out)
    },
    passthrough(kind) {
      if (answer.isOver || kind === 'reasoning') return !answer.isOver
      // Text is being shown: the answer has begun, and there was no call yet.
      return answer.scanner.isPlain() ? anyMark : false
    },
  }
}

/** What is known of an answer while it is searched for calls. */
interface SearchedAnswer {
  readonly tools: readonly Tool[]
  readonly options: ParserOptions
  readonly scanner: CallScanner
  /** Text that is certainly no call; sent at the end of this push. */
  ready: string
  /** White space in front of the answer; dropped if a call follows. */
  blank: string
  /** Calls found so far. */
  calls: number
  /** A call was cut, so the reply did not stop by itself. */
  isCut: boolean
  /** The reply has ended, or a call could not be read. */
  isOver: boolean
}

function newAnswer(tools: readonly Tool[], options: ParserOptions): SearchedAnswer {
  const scanner = callScanner(tools, options.scanLimit, {
    onBlank(text) {
      answer.blank += text
    },
    onText: (text) => show(answer, text),
    onCall: (written, out) => resolve(answer, written, out),
    dependsOnResult: () => answer.calls > 0,
    onTooLong() {
      answer.isCut = true
    },
  })
  const answer: SearchedAnswer = {
    ...{ tools, options, scanner },
    ...{ ready: '', blank: '', calls: 0, isCut: false, isOver: false },
  }
  return answer
}

function readDelta(answer: SearchedAnswer, delta: Delta, out: Delta[]): void {
  const { scanner } = answer
  switch (delta.type) {
    case 'text':
      scanner.scan(delta.text, out)
      release(answer, out)
      break
    case 'reasoning':
      if (delta.text !== '') scanner.afterReasoning()
      // Reasoning does not split a mark, but a call may continue after reasoning.
      if (scanner.holdsText()) decide(answer, out)
      out.push(delta)
      break
    case 'tool-call':
      decide(answer, out)
      out.push(delta)
      break
    case 'usage':
    case 'server-tool':
      out.push(delta)
      break
    case 'finish':
      decide(answer, out, delta.reason === 'stop' || delta.reason === 'tool-calls')
      if (!answer.isOver) out.push(answer.isCut && delta.reason === 'stop' ? { ...delta, reason: 'length' } : delta)
      answer.isOver = true
      break
    case 'error':
      decide(answer, out)
      if (!answer.isOver) out.push(delta)
      answer.isOver = true
      break
    default:
      delta satisfies never
  }
}

/** Text that is no call is shown before the first call, and dropped after it. */
function show(answer: SearchedAnswer, text: string): void {
  if (answer.calls > 0) return
  answer.ready += answer.blank + text
  answer.blank = ''
}

/** Sends the text that was shown. */
function release(answer: SearchedAnswer, out: Delta[]): void {
  if (answer.ready !== '') out.push({ type: 'text', text: answer.ready })
  answer.ready = ''
}

/** Decides about the held text at a pause or at the end of the answer. `isEnd`: the model ended its turn. */
function decide(answer: SearchedAnswer, out: Delta[], isEnd = false): void {
  const last = answer.scanner.take()
  if (last) resolveHeld(answer, last, out, isEnd)
  else {
    if (answer.calls === 0) answer.ready += answer.blank
    answer.blank = ''
  }
  release(answer, out)
}

/** Held text that the scanner could not decide about, because it waited for more. */
function resolveHeld(
  answer: SearchedAnswer,
  { kind, progress, held }: CallCandidate,
  out: Delta[],
  isEnd: boolean,
): void {
  if (progress === 'text') answer.scanner.release(held, out)
  else if (kind === 'fenced') resolveFence(answer, held, out, isEnd)
  else if (progress === 'complete' || endsWithClosingTag(held)) resolveOrShow(answer, held, out)
  else if (isEnd) resolveUnclosed(answer, held, out)
  else answer.isCut = true
}

function resolveUnclosed(answer: SearchedAnswer, written: string, out: Delta[]): void {
  const form = closedForm(written, answer.tools)
  if (form !== undefined) resolveOrShow(answer, form, out)
  else {
    answer.scanner.release(written, out)
    answer.isCut = true
  }
}

/** Parses the content of a fence that is the whole message as if the fence were not there. */
function resolveFence(answer: SearchedAnswer, written: string, out: Delta[], isEnd: boolean): void {
  const found = runTransform(toolCallParser(answer.tools, answer.options), [
    { type: 'text', text: insideFence(written) },
    { type: 'finish', reason: isEnd ? 'stop' : 'length' },
  ])
  const isCutInside = found.some((delta) => delta.type === 'finish' && delta.reason === 'length')
  if (found.some((delta) => delta.type === 'text')) {
    answer.scanner.release(written, out)
    answer.isCut = isCutInside
    return
  }
  for (const delta of found) {
    if (delta.type === 'tool-call') out.push({ ...delta, key: newKey(answer) })
    else if (delta.type === 'finish') answer.isCut = isCutInside && answer.calls === 0
    else {
      answer.isOver = true
      out.push(delta)
    }
  }
}

function resolveOrShow(answer: SearchedAnswer, written: string, out: Delta[]): void {
  if (resolve(answer, written, out) === 'text') answer.scanner.release(written, out)
}

/** Sends the calls of a complete form. Returns `text` if it calls no declared tool, and is sent nowhere yet. */
function resolve(answer: SearchedAnswer, written: string, out: Delta[]): 'call' | 'text' | 'failed' {
  const found = readDeclaredCalls(written, answer.tools)
  if (!found) return 'text'
  answer.blank = ''
  release(answer, out)
  answer.scanner.afterCall()
  for (const call of found.calls) out.push({ type: 'tool-call', key: newKey(answer), ...call })
  if (found.unreadable === undefined) return 'call'
  answer.isOver = true
  out.push({ type: 'error', error: unreadable(found.unreadable) })
  return 'failed'
}

function newKey(answer: SearchedAnswer): string {
  return `text-${answer.calls++}`
}

/** A stray quote may have hidden the closing tag from the form. */
function endsWithClosingTag(written: string): boolean {
  return /<\/(?:tool_calls?|function_calls)>\s*$/.test(written)
}

/** The content of a code fence, without its first and its last line. */
function insideFence(written: string): string {
  const marks = /^[`~]+/.exec(written)?.[0] ?? ''
  const inside = written.slice(written.indexOf('\n') + 1).trimEnd()
  return inside.endsWith(marks) ? inside.slice(0, inside.lastIndexOf('\n')) : inside
}

function unreadable(name: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model called the tool ${name} with arguments that could not be read. Try again.`,
    { code: 'tool_arguments_unreadable' },
  )
}
