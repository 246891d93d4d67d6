import { GatewayError } from '../core/errors.ts'
import { isCut, type StreamEvent } from '../core/events.ts'
import type { Machine } from '../core/machine.ts'
import type { Tool } from '../core/request.ts'
import { isShallow, maxDepth } from '../prompted-tools/json.ts'
import { repairArguments } from '../prompted-tools/repair.ts'
import { type Checker, checkers } from './structured/schema.ts'

type CallEnd = Extract<StreamEvent, { type: 'tool-call-end' }>

/** Whether the arguments of a call, in JSON text, may go to the client, and in which words. */
type Judge = (args: string) => { args: string } | { violation: string }

/**
 * Keeps calls of strict tools to their schema, and those of tools a dialect reads for its client to what it can read;
 * calls of all other tools pass as they are. `undefined` where no tool promises anything.
 *
 * A call of a strict tool is held until it is whole, for what was streamed cannot be taken back; values of the wrong
 * type are converted where the schema leaves one way to do it. Arguments that do not fit are the error
 * `tool_arguments_invalid` in place of the call's end; only a reply that was cut says by its reason why they do not.
 */
export function toolArguments(
  tools: readonly Tool[],
  note: (note: string) => void,
): Promise<Machine<StreamEvent, StreamEvent>> | undefined {
  const checked = tools.filter(({ strict, readable }) => strict || readable)
  return checked.length === 0 ? undefined : kept(new Map(checked.map((tool) => [tool.name, tool])), note)
}

async function kept(
  checked: ReadonlyMap<string, Tool>,
  note: (note: string) => void,
): Promise<Machine<StreamEvent, StreamEvent>> {
  const checkerOf = await checkers()
  const judges = new Map<string, Judge>()
  // The call that is held, from its start.
  let held: StreamEvent[] | undefined
  // A call that does not fit: the next event tells whether the reply was cut in it.
  let unfit: { events: StreamEvent[]; error: GatewayError } | undefined
  let failed = false

  return {
    push(event, out) {
      if (failed) return
      if (unfit) {
        failed = event.type !== 'error' && !endsCut(event)
        if (failed) out.push({ type: 'error', error: unfit.error })
        else if (event.type === 'message-end') out.push(...unfit.events)
        unfit = undefined
        if (failed) return
      }
      switch (event.type) {
        case 'tool-call-start':
          if (checked.get(event.name)?.strict) held = [event]
          else out.push(event)
          break
        case 'tool-call-delta':
          if (!held) out.push(event)
          break
        case 'tool-call-end':
          settle(event, held, out)
          held = undefined
          break
        default:
          out.push(event)
      }
    },
    end() {},
    passes: () => !failed && unfit === undefined,
  }

  function settle(end: CallEnd, start: StreamEvent[] | undefined, out: StreamEvent[]): void {
    const tool = checked.get(end.name)
    const verdict = tool ? judgeOf(tool)(end.arguments) : { args: end.arguments }
    const args = 'args' in verdict ? verdict.args : end.arguments
    const events: StreamEvent[] = [
      ...(start ? [...start, { type: 'tool-call-delta' as const, index: end.index, text: args }] : []),
      { ...end, arguments: args },
    ]
    if ('args' in verdict) out.push(...events)
    else unfit = { events, error: invalid(end.name, verdict.violation) }
  }

  function judgeOf(tool: Tool): Judge {
    const known = judges.get(tool.name) ?? judge(tool, checker)
    judges.set(tool.name, known)
    return known
  }

  function checker(schema: Record<string, unknown>): Checker {
    const made = checkerOf(schema)
    if (!(made instanceof Error)) return made
    note(`schema of a tool not checked: ${made.message}`)
    return () => []
  }
}

function judge(
  { parameters, strict = false, readable = parameters }: Tool,
  checkerOf: (schema: Record<string, unknown>) => Checker,
): Judge {
  const wanted = checkerOf(strict ? parameters : readable)
  const accepted = readable === parameters || !strict ? wanted : checkerOf(readable)
  return (args) => {
    const value = objectIn(args)
    if (!value) return { violation: 'they are not a JSON object' }
    if (!isShallow(value)) return { violation: `they are nested deeper than ${maxDepth} levels` }
    const repaired = strict && wanted(value).length > 0 ? repairArguments(value, parameters) : undefined
    const [violation] = accepted(repaired?.ok ? repaired.value : value)
    if (violation !== undefined) return { violation }
    // Arguments that fit stay as they were written: reading and writing them anew would round long numbers.
    return { args: repaired?.ok ? JSON.stringify(repaired.value) : args }
  }
}

function objectIn(args: string): object | undefined {
  try {
    const value: unknown = JSON.parse(args)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function endsCut(event: StreamEvent): boolean {
  return event.type === 'message-end' && isCut(event.reason)
}

function invalid(name: string, violation: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model called the tool ${name} with arguments that do not fit: ${violation}. Try again.`,
    { code: 'tool_arguments_invalid' },
  )
}
