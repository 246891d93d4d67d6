import type { UserPart } from '../../core/request.ts'
import { outputParts, textPart } from '../openai/content.ts'
import { type Fields, fieldsOf, jsonText, listOf, textOr } from '../openai/json-fields.ts'
import { isClientTool, isTool } from './schema.ts'
import { lowerTools, type ToolOrigin } from './tools.ts'

/** A call of one of the client's tools. */
export interface CallItem {
  id: string
  tool: ToolOrigin['type']
  /** JSON. */
  arguments: string
}

/** The result of such a call. */
export interface ResultItem {
  /** The id of the call. */
  id: string
  parts: UserPart[]
  isError?: boolean
}

/** Reads the call in an item; `undefined` for an item of another type. */
export function callIn(item: Fields): CallItem | undefined {
  return callTypes.get(textOr(item.type))?.(item)
}

export interface ResultOptions {
  /** The path of the item in the body. */
  path: string
  /** Receives the path and type of what is left out. */
  ignored: string[]
  /** The name under which a tool is offered to the model. */
  loweredName: (origin: ToolOrigin) => string
}

/** Reads the result in an item; `undefined` for an item of another type. */
export function resultIn(item: Fields, options: ResultOptions): ResultItem | undefined {
  return resultTypes.get(textOr(item.type))?.(item, options)
}

const callTypes = new Map<string, (item: Fields) => CallItem>([
  ['function_call', (item) => ({ id: idOf(item), tool: 'function', arguments: jsonText(item.arguments) || '{}' })],
  [
    'custom_tool_call',
    (item) => ({ id: idOf(item), tool: 'custom', arguments: JSON.stringify({ input: jsonText(item.input) }) }),
  ],
  [
    'local_shell_call',
    (item) => ({ id: idOf(item) || textOr(item.id), tool: 'local_shell', arguments: localShellArguments(item) }),
  ],
  ['shell_call', (item) => ({ id: idOf(item), tool: 'shell', arguments: shellArguments(item) })],
  ['apply_patch_call', (item) => ({ id: idOf(item), tool: 'apply_patch', arguments: patchArguments(item) })],
  [
    'tool_search_call',
    (item) => ({
      id: idOf(item) || textOr(item.id),
      tool: 'tool_search',
      arguments: jsonText(item.arguments) || '{}',
    }),
  ],
])

const resultTypes = new Map<string, (item: Fields, options: ResultOptions) => ResultItem>([
  ['function_call_output', plainResult],
  ['custom_tool_call_output', plainResult],
  [
    'local_shell_call_output',
    (item, options) => ({ ...plainResult(item, options), id: idOf(item) || textOr(item.id) }),
  ],
  [
    'shell_call_output',
    (item, options) =>
      Array.isArray(item.output)
        ? { id: idOf(item), parts: textPart(shellOutput(item.output)) }
        : plainResult(item, options),
  ],
  ['apply_patch_call_output', patchResult],
  ['tool_search_output', foundTools],
])

function idOf({ call_id }: Fields): string {
  return textOr(call_id)
}

function localShellArguments({ action }: Fields): string {
  const { command, env, timeout_ms, working_directory } = fieldsOf(action)
  return JSON.stringify({
    command,
    workdir: working_directory ?? undefined,
    timeout_ms: timeout_ms ?? undefined,
    env: Object.keys(fieldsOf(env)).length > 0 ? env : undefined,
  })
}

function shellArguments({ action }: Fields): string {
  const { commands, timeout_ms, max_output_length } = fieldsOf(action)
  return JSON.stringify({
    commands,
    timeout_ms: timeout_ms ?? undefined,
    max_output_length: max_output_length ?? undefined,
  })
}

function patchArguments({ operation }: Fields): string {
  const { type, path, diff } = fieldsOf(operation)
  return JSON.stringify({ type, path, diff: diff ?? undefined })
}

function plainResult(item: Fields, { path, ignored }: ResultOptions): ResultItem {
  return { id: idOf(item), parts: outputParts(item.output, `${path}.output`, { ignored, rejects: false }) }
}

function patchResult(item: Fields): ResultItem {
  const isError = item.status === 'failed'
  const output = jsonText(item.output) || (isError ? 'The patch could not be applied.' : 'Done.')
  return { id: idOf(item), parts: textPart(output), isError }
}

function foundTools(item: Fields, { loweredName }: ResultOptions): ResultItem {
  const tools = lowerTools(listOf(item.tools).filter(isTool).filter(isClientTool))
  const found = tools.map(({ origin }) => loweredName(origin))
  return {
    id: idOf(item) || textOr(item.id),
    parts: textPart(`Tools available now: ${found.join(', ') || 'none'}.`),
  }
}

/** The output of each command and how it ended. */
function shellOutput(output: readonly unknown[]): string {
  return output
    .map(fieldsOf)
    .flatMap(({ stdout, stderr, outcome }) => [textOr(stdout), textOr(stderr), ending(fieldsOf(outcome))])
    .filter((part) => part !== '')
    .join('\n')
}

function ending({ type, exit_code }: Fields): string {
  return type === 'timeout' ? '[timed out]' : `[exit code ${exit_code ?? 'unknown'}]`
}
