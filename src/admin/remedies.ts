/** What the operator can do about an error, by its code. Where there is nothing to do, it says so. */
export const remedies: Readonly<Record<string, string>> = {
  captcha_required: 'Use an API key (ZAI_API_KEY), or sign in at chat.z.ai once and set ZAI_TOKEN.',
  upstream_auth: 'Copy the key or the token again, whole, into the setting it comes from.',
  upstream_auth_failed: 'Copy the key or the token again, whole, into the setting it comes from.',
  no_api_key: 'Give the upstream a key: ZAI_API_KEY, or keys of its row in [[upstreams]].',
  insufficient_quota:
    'Top up the account, or check that the base URL of the upstream is the service that the key belongs to.',
  usage_limit_reached: 'Wait for the reset, or add a key.',
  budget_used_up: 'Wait for the reset, or raise the budget of the key under Keys.',
  budget_reserved: 'Nothing, if it is rare: requests under way hold what is left of the budget.',
  price_unknown: 'Set the price of the model in [[models]] of zai2api.toml, or give the key a budget in tokens.',
  parallel_limit_exceeded: 'Send fewer at a time, or raise the limit of the key under Keys.',
  upstream_not_allowed: 'Allow the key an upstream of this gateway under Keys.',
  dialect_not_allowed: 'Allow this API for the key under Keys, or use another key.',
  quota_exhausted: 'Wait for the reset, or add a key.',
  quota_used_up: 'Wait for the reset, or add a key.',
  plan_expired: 'Renew the plan, or use another key.',
  upstream_account_inactive: 'Sign in to the console of the account to see why.',
  upstream_wrong_address: 'Check the base URL of the upstream.',
  upstream_unavailable: 'Check the network and the proxy; zai2api doctor says more.',
  upstream_idle: 'Nothing, if it is rare; UPSTREAM_IDLE_MS sets how long a silence may be.',
  upstream_paused: 'Resume it under Upstreams.',
  queue_full: 'Add keys, send fewer requests at a time, or raise QUEUE_LIMIT.',
  queue_timeout: 'Add keys, send fewer requests at a time, or raise QUEUE_MS.',
  too_many_requests_at_once: 'Send fewer at a time, or raise MAX_CONCURRENT.',
  rate_limit_exceeded: 'Send fewer at a time, or add a key.',
  rate_limited: 'Send fewer at a time, or add a key.',
  model_overloaded: 'Nothing: the upstream has too much to do. Another model may answer.',
  context_overflow: 'Nothing, where the client compacts by itself; else begin a new conversation.',
  context_length_exceeded: 'Nothing, where the client compacts by itself; else begin a new conversation.',
  model_not_found: 'Ask for a model of the list at /v1/models, or map the name with MODEL_MAP.',
  invalid_api_key: 'Give the client the key of this gateway.',
  missing_api_key: 'Give the client the key of this gateway.',
  shutting_down: 'Nothing: the gateway is going down.',
}

const generalRemedy = 'The message says what is known; zai2api doctor looks for the cause.'

export function remedyOf(code: string): string {
  return remedies[code] ?? generalRemedy
}
