/** What the operator can do about an error, by its code. Where there is nothing to do, it says so. */
const remedies: Record<string, string> = {
  captcha_required: 'Use an API key (ZAI_API_KEY), or sign in at chat.z.ai once and set ZAI_TOKEN.',
  upstream_auth_failed: 'Copy the key or the token again, whole, into the setting it comes from.',
  no_api_key: 'Set ZAI_API_KEY.',
  insufficient_quota: 'Top up the account, or check that ZAI_API_BASE is the service that the key belongs to.',
  usage_limit_reached: 'Wait for the reset, or add a key.',
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
  model_overloaded: 'Nothing: Z.AI has too much to do. Another model may answer.',
  context_length_exceeded: 'Nothing, where the client compacts by itself; else begin a new conversation.',
  model_not_found: 'Ask for a model of the list at /v1/models, or map the name with MODEL_MAP.',
  invalid_api_key: 'Give the client the key of this gateway.',
  missing_api_key: 'Give the client the key of this gateway.',
  shutting_down: 'Nothing: the gateway is going down.',
}

export function remedyOf(code: string): string {
  return remedies[code] ?? 'The message says what is known; zai2api doctor looks for the cause.'
}
