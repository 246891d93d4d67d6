import { fieldsOf, listOf } from '../openai/json-fields.ts'
import type { ChatBody } from './schema.ts'

/** A value that changes nothing (penalty 0, logprobs false) does not ask for anything. */
export function ignoredOptions(body: ChatBody): string[] {
  // A body has a few fields, and hardly ever one of these.
  for (const field in body)
    if (unsupportedFields.has(field)) return unsupportedOptions.filter(([, asks]) => asks(body)).map(([name]) => name)
  return []
}

/** A test for one key, which does not build a list of all keys. */
function isEmpty(value: object): boolean {
  for (const _ in value) return false
  return true
}

const unsupportedOptions: readonly [name: string, asks: (body: ChatBody) => unknown][] = [
  ['seed', ({ seed }) => typeof seed === 'number'],
  ['logprobs', ({ logprobs }) => logprobs],
  ['top_logprobs', ({ top_logprobs }) => top_logprobs],
  ['logit_bias', ({ logit_bias }) => logit_bias && !isEmpty(logit_bias)],
  ['frequency_penalty', ({ frequency_penalty }) => frequency_penalty],
  ['presence_penalty', ({ presence_penalty }) => presence_penalty],
  ['audio', ({ audio }) => audio],
  ['modalities', ({ modalities }) => modalities?.some((modality) => modality !== 'text')],
  ['prediction', ({ prediction }) => prediction],
  ['moderation', ({ moderation }) => moderation],
  ['store', ({ store }) => store],
  ['service_tier', ({ service_tier }) => service_tier && !['auto', 'default'].includes(service_tier)],
  // Options of other APIs.
  ['input', ({ messages, input }) => isGiven(messages) && isGiven(input)],
  ['top_k', ({ top_k }) => typeof top_k === 'number' && top_k > 0],
  ['background', ({ background }) => background === true],
  ['max_tool_calls', ({ max_tool_calls }) => typeof max_tool_calls === 'number'],
  ['truncation', ({ truncation }) => truncation === 'auto'],
  ['mcp_servers', ({ mcp_servers }) => listOf(mcp_servers).length > 0],
  ['container', ({ container }) => container],
  ['include', ({ include }) => include?.length],
  // Options of other hosts of open weights.
  ['repetition_penalty', ({ repetition_penalty: factor }) => typeof factor === 'number' && factor !== 1],
  ['min_p', ({ min_p }) => typeof min_p === 'number' && min_p > 0],
  ['top_a', ({ top_a }) => typeof top_a === 'number' && top_a > 0],
  ['do_sample', ({ do_sample }) => do_sample === false],
  // OpenRouter's option to leave the reasoning out of the reply.
  ['include_reasoning', ({ include_reasoning }) => include_reasoning === false],
  ['reasoning.exclude', ({ reasoning }) => fieldsOf(reasoning).exclude === true],
  // The Python package takes these out of `extra_body`, so they mean nothing in a body.
  ['extra_body', ({ extra_body }) => extra_body],
]

/** The fields of `unsupportedOptions`. */
const unsupportedFields = new Set(unsupportedOptions.map(([name]) => name.replace(/\..*/, '')))

/** An empty list counts as missing. */
export function isGiven(entries: unknown): boolean {
  return Array.isArray(entries) ? entries.length > 0 : entries !== undefined && entries !== null
}
