import { fieldsOf, isFields, listOf, textOr } from '../openai/json-fields.ts'
import type { OwnBody } from './body-variants.ts'
import { isMcpTool } from './mcp-servers.ts'
import { isClientTool, type ToolBody } from './schema.ts'

/**
 * The names of what a body asks for and cannot have. A value that changes nothing (`top_logprobs` 0) does not ask for
 * anything.
 */
export function ignoredOptions(body: OwnBody): string[] {
  return [
    ...unsupportedOptions.filter(([, asks]) => asks(body)).map(([name]) => name),
    ...(body.include ?? []).filter((value) => !honouredIncludes.has(value)).map((value) => `include (${value})`),
  ]
}

const honouredIncludes = new Set([
  'reasoning.encrypted_content',
  'web_search_call.action.sources',
  // The listed input is always complete.
  'message.input_image.image_url',
  'computer_call_output.output.image_url',
])

/** The last ones are options of Chat Completions. */
const unsupportedOptions: readonly [name: string, asks: (body: OwnBody & Record<string, unknown>) => unknown][] = [
  ['access_programs', ({ access_programs }) => access_programs],
  ['background_options', ({ background_options }) => background_options],
  ['context_management', ({ context_management }) => context_management?.length],
  ['image', ({ image }) => asksOtherThan(fieldsOf(image).context_compression, 'auto', 'disabled')],
  ['moderation', ({ moderation }) => moderation],
  // Fields of bodies whose tokens are counted.
  ['personality', ({ personality }) => personality],
  ['prompt_cache_options', ({ prompt_cache_options }) => prompt_cache_options],
  ['prompt_cache_retention', (body) => asksOtherThan(body.prompt_cache_retention, 'in_memory')],
  ['reasoning.context', ({ reasoning }) => asksOtherThan(fieldsOf(reasoning).context, 'auto')],
  ['reasoning.mode', ({ reasoning }) => asksOtherThan(fieldsOf(reasoning).mode, 'standard')],
  ['reasoning.summary', ({ reasoning }) => asksOtherThan(reasoning?.summary, 'auto', 'concise', 'detailed', 'none')],
  ['service_tier', ({ service_tier }) => asksOtherThan(service_tier, 'auto', 'default')],
  ['stream_options.include_obfuscation', ({ stream_options }) => fieldsOf(stream_options).include_obfuscation === true],
  ['top_logprobs', ({ top_logprobs }) => top_logprobs],
  ['truncation', ({ truncation }) => asksOtherThan(truncation, 'disabled')],
  ['frequency_penalty', ({ frequency_penalty }) => frequency_penalty],
  ['logit_bias', ({ logit_bias }) => Object.keys(fieldsOf(logit_bias)).length > 0],
  ['logprobs', ({ logprobs }) => logprobs],
  ['n', ({ n }) => typeof n === 'number' && n > 1],
  ['presence_penalty', ({ presence_penalty }) => presence_penalty],
  ['seed', ({ seed }) => typeof seed === 'number'],
]

function asksOtherThan(value: unknown, ...usual: string[]): boolean {
  return value !== undefined && value !== null && value !== '' && !usual.some((word) => word === value)
}

/** What cannot be honoured of a tool: the whole tool, or the options named. */
export function ignoredToolOptions(tool: ToolBody, path: string): string[] {
  const options: Record<string, unknown> = tool
  const beyond = (name: string, asks: boolean) => (asks ? [`${path}.${name}`] : [])
  if (isClientTool(tool))
    return [
      ...beyond('async', options.async === true),
      ...beyond('output_schema', isFields(options.output_schema)),
      ...beyond('environment.skills', listOf(fieldsOf(options.environment).skills).length > 0),
      ...(tool.type === 'namespace'
        ? tool.tools.flatMap((one, n) => ignoredToolOptions(one, `${path}.tools.${n}`))
        : []),
    ]
  if (isMcpTool(tool)) return []
  if (!tool.type.startsWith('web_search')) return [`${path} (${tool.type})`]
  return [
    ...beyond('external_web_access', options.external_web_access === false),
    ...beyond(
      'search_content_types',
      Array.isArray(options.search_content_types) && options.search_content_types.some((type) => type !== 'text'),
    ),
    ...beyond('search_context_size', asksOtherThan(options.search_context_size, 'medium', 'high')),
    ...beyond(
      'user_location',
      Object.entries(fieldsOf(options.user_location)).some(([key, value]) => key !== 'type' && textOr(value) !== ''),
    ),
  ]
}
