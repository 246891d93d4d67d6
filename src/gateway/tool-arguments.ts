import { asGatewayError, GatewayError } from '../core/errors.ts'
import { isCut, type StreamEvent } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import type { Transform } from '../core/transform.ts'
import type { AnswerVerdict } from './structured/validate-answer.ts'
import type { Validate } from './structured/validation.ts'

type CallEnd = Extract<StreamEvent, { type: 'tool-call-end' }>

export interface ToolArgumentsOptions {
  tools: readonly Tool[]
  validate: Validate
  signal: AbortSignal
  annotate: (note: string) => void
}

/**
 * Checks the arguments of two kinds of calls: those of strict tools against their schema, and those of tools whose
 * arguments the dialect itself reads against what it can read. All other calls pass unchanged. Returns `undefined` if
 * there is no such tool.
 *
 * A call of a strict tool is held back until it is complete, because streamed arguments cannot be taken back. Values of
 * the wrong type are converted if the schema allows only one conversion. Arguments that do not fit become the error
 * `tool_arguments_invalid` in place of the call's end. If the reply was cut, they pass, and its finish reason explains them.
 */
export function toolArguments(options: ToolArgumentsOptions): Transform<StreamEvent, StreamEvent> | undefined {
  const { tools, validate, signal, annotate } = options
  if (!tools.some(isChecked)) return undefined
  const checked = new Map(tools.filter(isChecked).map((tool) => [tool.name, tool]))
  // The start of the call that is held back.
  let held: StreamEvent[] | undefined
  // A call that does not fit. The next event tells whether the reply was cut in it.
  let failed: { events: StreamEvent[]; error: GatewayError } | undefined
  let over = false
  // The call whose arguments are being checked in a worker thread, and the events that have come since.
  let checking: { event: CallEnd; answer: AnswerVerdict | GatewayError; settled: Promise<void> } | undefined
  const queue: StreamEvent[] = []

  return {
    push(event, out) {
      if (over) return
      if (checking) queue.push(event)
      else if (endsChecked(event)) startCheck(event)
      else pass(event, out)
    },
    end() {},
    passthrough: () => !over && !failed && !checking,
    pending: () => checking?.settled,
    resume,
  }

  function startCheck(event: CallEnd): void {
    const call: NonNullable<typeof checking> = { event, answer: { text: event.arguments }, settled: Promise.resolve() }
    call.settled = verdictOn(event).then(
      (verdict) => {
        call.answer = verdict
      },
      (thrown) => {
        call.answer = asGatewayError(thrown)
      },
    )
    checking = call
  }

  function resume(out: StreamEvent[]): void {
    const call = checking
    checking = undefined
    if (call?.answer instanceof GatewayError) fail(call.answer, out)
    else if (call) end(call.event, call.answer, out)
    while (queue.length > 0 && !checking && !over) {
      const event = queue.shift()
      if (event && endsChecked(event)) startCheck(event)
      else if (event) pass(event, out)
    }
  }

  function endsChecked(event: StreamEvent): event is CallEnd {
    return event.type === 'tool-call-end' && checked.has(event.name)
  }

  async function verdictOn({ name, arguments: text }: CallEnd): Promise<AnswerVerdict> {
    const { strict, parameters, readable } = checked.get(name) ?? {}
    const { verdict, unchecked } = await validate(
      {
        type: 'arguments',
        text,
        strict: strict ? JSON.stringify(parameters) : undefined,
        readable: readable && JSON.stringify(readable),
      },
      signal,
    )
    if (unchecked !== undefined) annotate(`schema of a tool not checked: ${unchecked}`)
    return verdict
  }

  function pass(event: StreamEvent, out: StreamEvent[]): void {
    if (failed) {
      const { events, error } = failed
      failed = undefined
      if (event.type !== 'error' && !endsCut(event)) {
        fail(error, out)
        return
      }
      if (event.type === 'message-end') out.push(...events)
    }
    if (event.type === 'tool-call-start' && checked.get(event.name)?.strict) held = [event]
    else if (event.type !== 'tool-call-delta' || !held) out.push(event)
  }

  function end(event: CallEnd, verdict: AnswerVerdict, out: StreamEvent[]): void {
    const text = 'text' in verdict ? verdict.text : event.arguments
    const events: StreamEvent[] = [
      ...(held ? [...held, { type: 'tool-call-delta' as const, index: event.index, text }] : []),
      { ...event, arguments: text },
    ]
    held = undefined
    if ('text' in verdict) out.push(...events)
    else failed = { events, error: invalid(checked.get(event.name)?.clientName ?? event.name, verdict.violations[0]) }
  }

  function fail(error: GatewayError, out: StreamEvent[]): void {
    out.push({ type: 'error', error })
    over = true
  }
}

function isChecked({ strict, readable }: Tool): boolean {
  return strict === true || readable !== undefined
}

function endsCut(event: StreamEvent): boolean {
  return event.type === 'message-end' && isCut(event.reason)
}

function invalid(name: string, violation = 'they are not valid'): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model called the tool ${name} with arguments that do not fit: ${violation}. Try again.`,
    { code: 'tool_arguments_invalid' },
  )
}
