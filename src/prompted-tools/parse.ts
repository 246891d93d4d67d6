import { GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import { runTransform, type Transform } from '../core/transform.ts'
import { repairArguments, toolNamed, typedArguments } from '../json/repair.ts'
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
import { calledName, closedForms, parseCalls, type WrittenCall } from './parse-calls.ts'

export interface ParserOptions {
  /** Longest text that is held back, in UTF-16 units. A longer call counts as unfinished. */
  scanLimit: number
}

/** A line break and three spaces: enough to decide whether a mark is at the start of a line. */
const leadLength = 4

/** The first character of a tag or a fence. */
export const anyMark = /[<`~]/

/** Text that may be a call. Its beginning is held back until that is known. */
interface CallCandidate {
  form: Form
  /** `mark`: a tag or a fence line, at any position. `whole`, `fenced`: the candidate is the whole message. */
  kind: 'mark' | 'whole' | 'fenced'
  /** Text of earlier pushes. It is only appended to, so the cost of a long call is its length. */
  held: string
  /** Where the candidate continues in the current push. */
  from: number
  progress: Progress
}

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
  let candidate: CallCandidate | undefined
  // Text that is certainly no call; sent at the end of this push.
  let ready = ''
  // Only white space so far. It is kept in `blank`, and dropped if a call follows.
  let isBeginning = true
  let blank = ''
  // The end of the text so far: enough to recognise the start of a line and a backtick.
  let before = '\n'
  // The characters that opened the current code fence.
  let fence: string | undefined
  let reasoned = false
  let calls = 0
  // All further text is dropped, after an invented result or a call that is too long to hold.
  let isDisabled = false
  let unfinished = false
  let over = false

  const names = tools.map((tool) => tool.name)
  const isTool = (name: string) => toolNamed(name, tools) !== undefined

  return {
    push(delta, out) {
      if (over) return
      switch (delta.type) {
        case 'text':
          scan(delta.text, out)
          release(out)
          break
        case 'reasoning':
          reasoned ||= delta.text !== ''
          // Reasoning does not split a mark, but a call may continue after reasoning.
          if (candidate?.progress === 'text' && candidate.kind === 'mark') decide(out)
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
          if (!over) out.push(unfinished && delta.reason === 'stop' ? { ...delta, reason: 'length' } : delta)
          over = true
          break
        case 'error':
          decide(out)
          if (!over) out.push(delta)
          over = true
          break
        default:
          delta satisfies never
      }
    },
    end(out) {
      if (!over) decide(out)
    },
    passthrough(kind) {
      if (over || kind === 'reasoning') return !over
      // Text is being shown: the answer has begun, and there was no call yet.
      return candidate || isDisabled ? false : anyMark
    },
  }

  function scan(text: string, out: Delta[]): void {
    let input = text
    let at = candidate ? 0 : seek(input, 0)
    while (candidate) {
      const current: CallCandidate = candidate
      const limit = current.from + options.scanLimit - current.held.length
      let verdict: FormVerdict | undefined
      while (verdict === undefined && at < input.length && at < limit) {
        const step = current.form.next(input.charAt(at))
        if (step.done) verdict = step.value
        else {
          current.progress = step.value
          at++
        }
      }
      if (verdict === undefined && at === input.length) {
        current.held += input.slice(current.from)
        current.from = 0
        return
      }
      candidate = undefined
      if (verdict === undefined && current.progress === 'unfinished') {
        unfinished = true
        isDisabled = true
        return
      }
      const upTo = (end: number) => current.held + input.slice(current.from, end)
      switch (verdict) {
        case 'call':
          resolve(upTo(++at), out)
          break
        case 'fence':
          fence = fence === undefined ? /[`~]+/.exec(upTo(at))?.[0] : undefined
          pass(upTo(++at))
          break
        case 'result':
          isDisabled = calls > 0
          pass(upTo(++at))
          break
        case 'text':
          isBeginning = false
          pass(upTo(at))
          break
        case undefined: // too long to hold back
        case 'no':
          if (current.held !== '') input = upTo(input.length)
          at = current.held === '' ? current.from : 0
          isBeginning = false
          if (current.kind === 'mark') pass(input.charAt(at++))
          break
        default:
          verdict satisfies never
      }
      if (!over) at = seek(input, at)
    }
  }

  /** Passes text that cannot begin a call. Returns the position of a character that may, or the length. */
  function seek(input: string, from: number): number {
    if (isDisabled) return input.length
    let at = from
    if (isBeginning) {
      at = indexOf(/\S/g, input, from)
      blank += input.slice(from, at)
      const whole = at < input.length ? wholeForm(input.charAt(at)) : undefined
      if (whole) begin(whole.kind, whole.form, at)
      if (whole || at === input.length) return at
      isBeginning = false
    }
    const start = nextMark(input, at)
    pass(input.slice(at, start))
    if (start === input.length) return start
    if (input.charAt(start) === '<') begin('mark', tagged(), start)
    else begin('mark', fence === undefined ? fenceOpening() : fenceClosing(fence), start)
    return start
  }

  function wholeForm(first: string): Pick<CallCandidate, 'kind' | 'form'> | undefined {
    if (first === '{') return { kind: 'whole', form: wholeJson(isTool) }
    if (first === '`' || first === '~') return { kind: 'fenced', form: wholeFence(isTool) }
    // Code without a tag counts as a call only directly after reasoning, where models are known to write it.
    return reasoned && /\w/.test(first) ? { kind: 'whole', form: wholeCode(names) } : undefined
  }

  function begin(kind: CallCandidate['kind'], form: Form, from: number): void {
    form.next() // runs the generator to its first `yield`, so that it can receive characters
    candidate = { form, kind, held: '', from, progress: 'text' }
  }

  function nextMark(input: string, from: number): number {
    const lead = (end: number) => before + input.slice(Math.max(from, end - leadLength), end)
    for (let at = from; ; at++) {
      at = indexOf(fence === undefined ? /[<`~]/g : /[`~]/g, input, at)
      if (at === input.length) return at
      const isTag = input.charAt(at) === '<'
      // Most tags do not belong to calls, and parsing one costs a hundred times as much as this check.
      if (isTag ? mayOpen(input, at) && !lead(at).endsWith('`') : /\n {0,3}$/.test(lead(at))) return at
    }
  }

  /** Text that is no call is shown before the first call, and dropped after it. */
  function pass(text: string): void {
    if (text === '') return
    before = (before + text).slice(-leadLength)
    if (calls > 0 || isDisabled) return
    ready += blank + text
    blank = ''
  }

  function release(out: Delta[]): void {
    if (ready !== '') out.push({ type: 'text', text: ready })
    ready = ''
  }

  /** Decides about the held text at a pause or at the end of the answer. `isEnd`: the model ended its turn. */
  function decide(out: Delta[], isEnd = false): void {
    const last = candidate
    candidate = undefined
    isBeginning = false
    if (!last) {
      if (calls === 0) ready += blank
      blank = ''
    } else if (last.progress === 'text') pass(last.held)
    else if (last.kind === 'fenced') resolveFence(last.held, out, isEnd)
    // A stray quote may have hidden the closing tag.
    else if (last.progress === 'complete' || /<\/(?:tool_calls?|function_calls)>\s*$/.test(last.held))
      resolve(last.held, out)
    else if (isEnd) resolveUnclosed(last.held, out)
    else unfinished = true
    release(out)
  }

  function resolveUnclosed(written: string, out: Delta[]): void {
    const call = closedForms(written).find(isCallable)
    if (call !== undefined) resolve(call, out)
    else {
      pass(written)
      unfinished = true
    }
  }

  /** Whether the text consists only of calls of declared tools, with all required arguments. */
  function isCallable(written: string): boolean {
    const read = parseCalls(written) ?? []
    return (
      read.length > 0 &&
      read.every((call) => {
        const tool = toolNamed(call.name, tools)
        if (!tool || !repairArguments(argumentsOf(call, tool), tool.parameters).ok) return false
        // A call with a name alone may lack its arguments.
        return !('texts' in call) || call.texts.size > 0 || Object.keys(tool.parameters.properties ?? {}).length === 0
      })
    )
  }

  /** Parses the content of a fence that is the whole message as if the fence were not there. */
  function resolveFence(written: string, out: Delta[], isEnd: boolean): void {
    const marks = /^[`~]+/.exec(written)?.[0] ?? ''
    const inside = written.slice(written.indexOf('\n') + 1).trimEnd()
    const text = inside.endsWith(marks) ? inside.slice(0, inside.lastIndexOf('\n')) : inside
    const found = runTransform(toolCallParser(tools, options), [
      { type: 'text', text },
      { type: 'finish', reason: isEnd ? 'stop' : 'length' },
    ])
    if (found.some((delta) => delta.type === 'text')) {
      pass(written)
      unfinished = found.some((delta) => delta.type === 'finish' && delta.reason === 'length')
      return
    }
    for (const delta of found) {
      if (delta.type === 'tool-call') out.push({ ...delta, key: newKey() })
      else if (delta.type === 'finish') unfinished = delta.reason === 'length' && calls === 0
      else {
        over = true
        out.push(delta)
      }
    }
  }

  function resolve(written: string, out: Delta[]): void {
    const read = parseCalls(written)
    if (!read) {
      const name = toolNamed(calledName(written) ?? '', tools)?.name
      if (name === undefined) pass(written)
      else fail(name, out)
      return
    }
    const declared = read.flatMap((call) => {
      const tool = toolNamed(call.name, tools)
      return tool ? [{ call, tool }] : []
    })
    if (declared.length === 0) {
      pass(written)
      return
    }
    blank = ''
    before = '>'
    release(out)
    for (const { call, tool } of declared) {
      const repaired = repairArguments(argumentsOf(call, tool), tool.parameters)
      if (!repaired.ok) {
        fail(tool.name, out)
        return
      }
      out.push({ type: 'tool-call', key: newKey(), name: tool.name, arguments: JSON.stringify(repaired.value) })
    }
  }

  function newKey(): string {
    return `text-${calls++}`
  }

  function fail(name: string, out: Delta[]): void {
    release(out)
    over = true
    out.push({ type: 'error', error: unreadable(name) })
  }
}

function argumentsOf(call: WrittenCall, tool: Tool): unknown {
  return 'texts' in call ? typedArguments(call.texts, tool.parameters) : call.arguments
}

function unreadable(name: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model called the tool ${name} with arguments that could not be read. Try again.`,
    { code: 'tool_arguments_unreadable' },
  )
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
