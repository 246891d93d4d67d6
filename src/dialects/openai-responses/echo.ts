import type { OwnBody } from './body-variants.ts'
import { conversationIdOf } from './conversation-id.ts'
import { isMcpTool, withoutCredentials } from './mcp-servers.ts'
import { isClientTool, type TextFormat, type ToolBody } from './schema.ts'

/** The parts of its request that a response repeats. */
export type Echo = {
  store: boolean
  /** `null` if the client named none; the model decides then. */
  temperature: number | null
} & Record<string, unknown>

/** The largest value: higher ones are used as this. */
const mostTemperature = 1
/** The defaults of GLM. Source: Z.AI's API reference, for models from 4.6 on. */
const defaultTopP = 0.95

/**
 * The request as the response repeats it, with every member that the types of SDK 7.59 and the schema of Open Responses
 * require. Numbers and switches have the value that was used.
 */
export function echoOf(body: OwnBody): Echo {
  const conversationId = conversationIdOf(body)
  return {
    access_programs: null,
    background: body.background ?? false,
    conversation: conversationId === undefined ? null : { id: conversationId },
    frequency_penalty: 0,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    presence_penalty: 0,
    previous_response_id: body.previous_response_id ?? null,
    prompt: null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    prompt_cache_retention: oneOf(cacheRetentions, body.prompt_cache_retention),
    reasoning: { effort: oneOf(efforts, body.reasoning?.effort), summary: summaryOf(body) },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: 'default',
    store: body.store ?? true,
    temperature: typeof body.temperature === 'number' ? Math.min(body.temperature, mostTemperature) : null,
    text: { format: formatOf(body.text.format), verbosity: oneOf(verbosities, body.text.verbosity) ?? 'medium' },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools.map(echoedTool),
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? defaultTopP,
    truncation: oneOf(truncations, body.truncation) ?? 'disabled',
    ...(body.user ? { user: body.user } : {}),
  }
}

const cacheRetentions = ['in_memory', '24h']
const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']
const summaries = ['auto', 'concise', 'detailed']
const truncations = ['auto', 'disabled']
export const verbosities = ['low', 'medium', 'high']

/** How the reasoning is summarised; `null` if no summary is wanted. The second name is the older one. */
export function summaryOf({ reasoning }: OwnBody): string | null {
  return oneOf(summaries, reasoning?.summary ?? reasoning?.generate_summary)
}

/** Only a value that clients know, because their parsers fail on any other. */
function oneOf(known: readonly string[], value: unknown): string | null {
  return known.find((word) => word === value) ?? null
}

function formatOf(format: TextFormat): object {
  if (format.type !== 'json_schema') return { type: format.type }
  const { name, description, schema, strict } = format
  return {
    type: 'json_schema',
    name: name ?? 'response',
    description: description ?? '',
    schema: schema ?? {},
    strict: strict ?? false,
  }
}

/** A tool with the members that the types of clients require. */
export function echoedTool(tool: ToolBody): object {
  const known = isClientTool(tool) ? tool : undefined
  if (known?.type === 'function') {
    const { description = null, parameters = null, strict } = known
    return { ...known, description, parameters, strict: strict ?? false }
  }
  if (known?.type === 'namespace')
    return { ...known, description: known.description ?? '', tools: known.tools.map(echoedTool) }
  if (isMcpTool(tool)) return withoutCredentials(withoutNull(tool))
  // In the types of all other tools, members may be missing but not null.
  return withoutNull(tool)
}

function withoutNull(tool: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(tool).filter(([, value]) => value !== null))
}
