import type { MessagesBody } from './schema.ts'

/**
 * Options that cannot be honoured, each with a test whether the body asks for it. A value that changes nothing does not
 * ask for anything.
 */
const unsupportedOptions: readonly [name: string, asks: (body: MessagesBody) => unknown][] = [
  ['top_k', ({ top_k }) => typeof top_k === 'number'],
  ['container', ({ container }) => container],
  // There is only one tier, one speed and one region.
  ['service_tier', ({ service_tier }) => service_tier && service_tier !== 'standard_only'],
  ['speed', ({ speed }) => speed && speed !== 'standard'],
  ['inference_geo', ({ inference_geo }) => inference_geo],
  ['fallbacks', ({ fallbacks }) => (Array.isArray(fallbacks) ? fallbacks.length > 0 : fallbacks)],
  ['fallback_credit_token', ({ fallback_credit_token }) => fallback_credit_token],
  ['billing_policy', ({ billing_policy }) => billing_policy],
  ['diagnostics', ({ diagnostics }) => diagnostics],
  ['user_profile_id', ({ user_profile_id }) => user_profile_id],
  ['workspace_id', ({ workspace_id }) => workspace_id],
  ['thinking.block_binding', ({ thinking }) => thinking?.block_binding],
  ['output_config.task_budget', ({ output_config }) => output_config?.task_budget],
  // Options of OpenAI's APIs.
  ['n', ({ n }) => typeof n === 'number' && n > 1],
  ['seed', ({ seed }) => typeof seed === 'number'],
  ['logprobs', ({ logprobs }) => logprobs],
  ['logit_bias', ({ logit_bias }) => logit_bias && Object.keys(logit_bias).length > 0],
  ['frequency_penalty', ({ frequency_penalty }) => frequency_penalty],
  ['presence_penalty', ({ presence_penalty }) => presence_penalty],
]

export function ignoredOptions(body: MessagesBody): string[] {
  return unsupportedOptions.filter(([, asks]) => asks(body)).map(([name]) => name)
}
