import type { DialectRoute, FixedRoute, KeyBudget } from '../../core/dialect-route.ts'
import { GatewayError } from '../../core/errors.ts'

// What Claude Code sends to a gateway besides messages. Source: the contract that Claude Code 2.1.332 serves at /protocol
// when it runs as a gateway, and what it answers itself where it has no identity provider.

/** It appends these paths to the address of the gateway, which has no `/v1`. */
const basePaths: FixedRoute['basePaths'] = ['', '/anthropic', '/api/anthropic']

/** The data is discarded. A 404 would put an error into the client's log for every attempt. */
const telemetryRoutes = (['metrics', 'logs', 'traces'] as const).map(
  (signal): DialectRoute => ({
    serves: 'fixed',
    access: 'client',
    method: 'POST',
    path: `/${signal}`,
    summary: `Take the ${signal} of Claude Code, and throw them away`,
    answer: () => ({}),
  }),
)

/**
 * There is no sign-in here. To approve one, a gateway has to identify the person, which needs an identity provider;
 * with keys alone, it would have to give a key to whichever program began the sign-in. The metadata therefore names no
 * endpoint, and the usual endpoints answer with what to do instead: the client shows `error_description`.
 */
const signInRoutes: DialectRoute[] = [
  {
    serves: 'fixed',
    access: 'open',
    method: 'GET',
    basePaths,
    path: '/.well-known/oauth-authorization-server',
    summary: 'How clients sign in: with their key alone',
    answer: ({ base }) => ({
      issuer: base,
      grant_types_supported: [],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ['none'],
      gateway_protocol_version: 1,
    }),
  },
  ...['/oauth/device_authorization', '/oauth/token'].map(
    (path): DialectRoute => ({
      serves: 'fixed',
      access: 'open',
      method: 'POST',
      basePaths,
      path,
      status: 404,
      summary: 'Sign in without a key: refused',
      answer: ({ base }) => ({ error: 'unauthorized_client', error_description: withKey(base) }),
    }),
  ),
]

/** The client shows at most 300 characters. */
function withKey(base: string): string {
  const address = base.length > 100 ? 'its address' : base
  return `This gateway has no sign-in. Set ANTHROPIC_BASE_URL to ${address} and ANTHROPIC_AUTH_TOKEN to your key of it, or run \`zai2api env claude\`.`
}

const settingsRoute: DialectRoute = {
  serves: 'fixed',
  access: 'client',
  method: 'GET',
  basePaths,
  path: '/managed/settings',
  summary: 'The settings that Claude Code has to take over: none',
  // A 404 says that there is no policy. An empty set of settings would be one.
  answer() {
    throw new GatewayError('not-found', 'This gateway manages no settings of Claude Code.', {
      code: 'no_managed_settings',
    })
  },
}

const usageRoute: DialectRoute = {
  serves: 'fixed',
  access: 'client',
  method: 'GET',
  basePaths,
  path: '/api/oauth/usage',
  summary: 'What is left of the dollars of your key, for Claude Code',
  readsBudgets: true,
  answer({ budgets }) {
    const caps = budgets.filter(({ unit }) => unit === 'usd')
    const [fullest] = caps.toSorted((one, other) => shareOf(other) - shareOf(one))
    if (fullest === undefined)
      throw new GatewayError('not-found', 'This key has no budget in dollars. GET /v1/key has all that it has.', {
        code: 'no_dollar_budget',
      })
    return usageOf(caps, fullest)
  },
}

/** Dollars in cents, shares in whole percents. The client shows the cap whose row is active. */
function usageOf(caps: readonly KeyBudget[], active: KeyBudget): object {
  return {
    extra_usage: {
      is_enabled: true,
      // The name is the same for every period.
      monthly_limit: centsOf(active.limit),
      used_credits: centsOf(active.spent),
      utilization: percentOf(active),
      currency: 'USD',
    },
    limits: caps.map((cap) => ({
      kind: 'spend',
      group: groupOf[cap.window] ?? cap.window,
      percent: percentOf(cap),
      resets_at: cap.resets_at === undefined ? null : new Date(cap.resets_at).toISOString(),
      severity: 'normal',
      is_active: cap === active,
    })),
  }
}

/** With two digits behind the point: a budget may be smaller than a cent. */
function centsOf(dollars: number): number {
  return Math.round(dollars * 10_000) / 100
}

const groupOf: Readonly<Record<string, string>> = { day: 'daily', week: 'weekly', month: 'monthly' }

function percentOf(cap: KeyBudget): number {
  return Math.floor(shareOf(cap) * 100)
}

/** A cap of nothing is used up. */
function shareOf({ spent, limit }: KeyBudget): number {
  return limit > 0 ? spent / limit : 1
}

export const gatewayRoutes: DialectRoute[] = [...telemetryRoutes, ...signInRoutes, settingsRoute, usageRoute]
