import { GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import { runTransform, type Transform } from '../core/transform.ts'
import { type CallCandidate, callScanner } from './call-scanner.ts'
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
  // Text that is certainly no call; sent at the end of this push.
  let ready = ''
  // White space in front of the answer; dropped if a call follows.
  let blank = ''
  let calls = 0
  // A call was cut, so the reply did not stop by itself.
  let isCut = false
  // The reply has ended, or a call could not be read.
  let isOver = false

  const scanner = callScanner(tools, options.scanLimit, {
    onBlank(text) {
      blank += text
    },
    onText: show,
    onCall: resolve,
    dependsOnResult: () => calls > 0,
    onTooLong() {
      isCut = true
    },
  })

  return {
    push(delta, out) {
      if (isOver) return
      switch (delta.type) {
        case 'text':
          scanner.scan(delta.text, out)
          release(out)
          break
        case 'reasoning':
          if (delta.text !== '') scanner.afterReasoning()
          // Reasoning does not split a mark, but a call may continue after reasoning.
          if (scanner.holdsText()) decide(out)
          out.push(delta)
          break
        case 'tool-call':
          decide(out)
          out.push(delta)
          break
        case 'usage':
        case 'server-tool':
          out.push(delta)
          break
        case 'finish':
          decide(out, delta.reason === 'stop' || delta.reason === 'tool-calls')
          if (!isOver) out.push(isCut && delta.reason === 'stop' ? { ...delta, reason: 'length' } : delta)
          isOver = true
          break
        case 'error':
          decide(out)
          if (!isOver) out.push(delta)
          isOver = true
          break
        default:
          delta satisfies never
      }
    },
    end(out) {
      if (!isOver) decide(out)
    },
    passthrough(kind) {
      if (isOver || kind === 'reasoning') return !isOver
      // Text is being shown: the answer has begun, and there was no call yet.
      return scanner.isPlain() ? anyMark : false
    },
  }

  /** Text that is no call is shown before the first call, and dropped after it. */
  function show(text: string): void {
    if (calls > 0) return
    ready += blank + text
    blank = ''
  }

  function release(out: Delta[]): void {
    if (ready !== '') out.push({ type: 'text', text: ready })
    ready = ''
  }

  /** Decides about the held text at a pause or at the end of the answer. `isEnd`: the model ended its turn. */
  function decide(out: Delta[], isEnd = false): void {
    const last = scanner.take()
    if (last) resolveHeld(last, out, isEnd)
    else {
      if (calls === 0) ready += blank
      blank = ''
    }
    release(out)
  }

  function resolveHeld({ kind, progress, held }: CallCandidate, out: Delta[], isEnd: boolean): void {
    if (progress === 'text') scanner.release(held, out)
    else if (kind === 'fenced') resolveFence(held, out, isEnd)
    else if (progress === 'complete' || endsWithClosingTag(held)) resolveOrShow(held, out)
    else if (isEnd) resolveUnclosed(held, out)
    else isCut = true
  }

  function resolveUnclosed(written: string, out: Delta[]): void {
    const form = closedForm(written, tools)
    if (form !== undefined) resolveOrShow(form, out)
    else {
      scanner.release(written, out)
      isCut = true
    }
  }

  /** Parses the content of a fence that is the whole message as if the fence were not there. */
  function resolveFence(written: string, out: Delta[], isEnd: boolean): void {
    const found = runTransform(toolCallParser(tools, options), [
      { type: 'text', text: insideFence(written) },
      { type: 'finish', reason: isEnd ? 'stop' : 'length' },
    ])
    const isCutInside = found.some((delta) => delta.type === 'finish' && delta.reason === 'length')
    if (found.some((delta) => delta.type === 'text')) {
      scanner.release(written, out)
      isCut = isCutInside
      return
    }
    for (const delta of found) {
      if (delta.type === 'tool-call') out.push({ ...delta, key: newKey() })
      else if (delta.type === 'finish') isCut = isCutInside && calls === 0
      else {
        isOver = true
        out.push(delta)
      }
    }
  }

  function resolveOrShow(written: string, out: Delta[]): void {
    if (resolve(written, out) === 'text') scanner.release(written, out)
  }

  /** Sends the calls of a complete form. Returns `text` if it calls no declared tool, and is sent nowhere yet. */
  function resolve(written: string, out: Delta[]): 'call' | 'text' | 'failed' {
    const found = readDeclaredCalls(written, tools)
    if (!found) return 'text'
    blank = ''
    release(out)
    scanner.afterCall()
    for (const call of found.calls) out.push({ type: 'tool-call', key: newKey(), ...call })
    if (found.unreadable === undefined) return 'call'
    isOver = true
    out.push({ type: 'error', error: unreadable(found.unreadable) })
    return 'failed'
  }

  function newKey(): string {
    return `text-${calls++}`
  }
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
