import { asGatewayError, GatewayError } from '../core/errors.ts'
import { isCut, type StreamEvent } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import type { Source } from '../core/source.ts'
import type { Verdict } from './structured/judge.ts'
import type { Validate } from './structured/validate.ts'

type CallEnd = Extract<StreamEvent, { type: 'tool-call-end' }>

export interface ToolArgumentsOptions {
  tools: readonly Tool[]
  validate: Validate
  signal: AbortSignal
  note: (note: string) => void
}

/**
 * Keeps calls of strict tools to their schema, and those of tools a dialect reads for its client to what it can read;
 * calls of all other tools pass as they are. The source itself where no tool promises anything.
 *
 * A call of a strict tool is held until it is whole, for what was streamed cannot be taken back; values of the wrong
 * type are converted where the schema leaves one way to do it. Arguments that do not fit are the error
 * `tool_arguments_invalid` in place of the call's end; only a reply that was cut says by its reason why they do not.
 */
export function toolArguments(source: Source<StreamEvent[]>, options: ToolArgumentsOptions): Source<StreamEvent[]> {
  const { tools, validate, signal, note } = options
  const checked = new Map(tools.filter(({ strict, readable }) => strict || readable).map((tool) => [tool.name, tool]))
  if (checked.size === 0) return source
  // The start of the call that is held.
  let held: StreamEvent[] | undefined
  // A call that does not fit: the next event tells whether the reply was cut in it.
  let unfit: { events: StreamEvent[]; error: GatewayError } | undefined
  let over = false

  return {
    next(onBatch, fast) {
      if (over) onBatch(undefined)
      else source.next((batch) => pass(batch, onBatch), unfit ? undefined : fast)
    },
    cancel() {
      over = true
      source.cancel()
    },
  }

  function pass(batch: StreamEvent[] | undefined, onBatch: (batch: StreamEvent[] | undefined) => void): void {
    if (batch === undefined) onBatch(undefined)
    else if (batch.some(isChecked)) void judged(batch).then((out) => deliver(out, onBatch))
    else {
      const out: StreamEvent[] = []
      for (const event of batch) push(event, { text: '' }, out)
      deliver(out, onBatch)
    }
  }

  function deliver(out: StreamEvent[], onBatch: (batch: StreamEvent[] | undefined) => void): void {
    if (out.length > 0) onBatch(out)
    else if (over) onBatch(undefined)
    else source.next((batch) => pass(batch, onBatch))
  }

  function isChecked(event: StreamEvent): event is CallEnd {
    return event.type === 'tool-call-end' && checked.has(event.name)
  }

  /** What becomes of a batch that ends a call. Never rejects. */
  async function judged(batch: readonly StreamEvent[]): Promise<StreamEvent[]> {
    const out: StreamEvent[] = []
    try {
      for (const event of batch) push(event, isChecked(event) && !over ? await verdictOn(event) : { text: '' }, out)
    } catch (thrown) {
      fail(asGatewayError(thrown), out)
    }
    return out
  }

  async function verdictOn({ name, arguments: text }: CallEnd): Promise<Verdict> {
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
    if (unchecked !== undefined) note(`schema of a tool not checked: ${unchecked}`)
    return verdict
  }

  /** `verdict` is about the end of a call that is checked. */
  function push(event: StreamEvent, verdict: Verdict, out: StreamEvent[]): void {
    if (over) return
    if (unfit) {
      const { events, error } = unfit
      unfit = undefined
      if (event.type !== 'error' && !endsCut(event)) {
        fail(error, out)
        return
      }
      if (event.type === 'message-end') out.push(...events)
    }
    if (event.type === 'tool-call-start' && checked.get(event.name)?.strict) held = [event]
    else if (event.type === 'tool-call-end') {
      end(event, checked.has(event.name) ? verdict : { text: event.arguments }, out)
      held = undefined
    } else if (event.type !== 'tool-call-delta' || !held) out.push(event)
  }

  function end(event: CallEnd, verdict: Verdict, out: StreamEvent[]): void {
    const text = 'text' in verdict ? verdict.text : event.arguments
    const events: StreamEvent[] = [
      ...(held ? [...held, { type: 'tool-call-delta' as const, index: event.index, text }] : []),
      { ...event, arguments: text },
    ]
    if ('text' in verdict) out.push(...events)
    else unfit = { events, error: invalid(event.name, verdict.violations[0]) }
  }

  function fail(error: GatewayError, out: StreamEvent[]): void {
    out.push({ type: 'error', error })
    over = true
    source.cancel()
  }
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
