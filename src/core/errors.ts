/**
 * Every way a request can fail. `status` is what a client sees if nothing has been sent yet. `retry` becomes the header
 * `x-should-retry`, which both official SDKs obey. Clients resend after 429 and 5xx again and again, so failures that a
 * person has to fix first use other codes.
 */
const kinds = {
  'invalid-request': { status: 400, retry: false },
  'content-filtered': { status: 400, retry: false },
  'context-overflow': { status: 400, retry: false },
  unauthorized: { status: 401, retry: false },
  'quota-exhausted': { status: 402, retry: false },
  forbidden: { status: 403, retry: false },
  /** The gateway's own credential was rejected. */
  'upstream-auth': { status: 403, retry: false },
  /** A captcha, a challenge page, an account level: a person must act, and the message says how. */
  'upstream-blocked': { status: 403, retry: false },
  'not-found': { status: 404, retry: false },
  'too-large': { status: 413, retry: false },
  'rate-limited': { status: 429, retry: true },
  /** The client left; only the log shows this kind. */
  cancelled: { status: 499, retry: false },
  internal: { status: 500, retry: false },
  'upstream-unavailable': { status: 502, retry: true },
  'upstream-malformed': { status: 502, retry: true },
  'upstream-truncated': { status: 502, retry: true },
  /** A limit of the gateway itself is reached. */
  overloaded: { status: 503, retry: true },
  timeout: { status: 504, retry: true },
} as const satisfies Record<string, { status: number; retry: boolean }>

export type ErrorKind = keyof typeof kinds

export function isErrorKind(text: string): text is ErrorKind {
  return Object.hasOwn(kinds, text)
}

export interface ErrorFacts {
  /** Machine-readable and finer than the kind: `captcha_required`. Defaults to the kind in snake case. */
  code?: string | undefined
  /** Path of the field at fault: `messages.0.content`. */
  param?: string | undefined
  retryAfterMs?: number | undefined
  /** Replaces the kind's status if HTTP has a more exact one. */
  status?: number | undefined
  /** Overrides the kind's advice to the client. */
  retry?: boolean | undefined
  /** Extra members of the error body that a client's program reads. */
  details?: object | undefined
  /** Only with `context-overflow`, if both numbers are known. Each dialect words them differently. */
  overflow?: { tokens: number; maximum: number } | undefined
  /** For the log only: never shown to a client. Must not hold secrets or prompts. */
  detail?: unknown
  cause?: unknown
}

/** The only error that reaches clients. `message` is safe for the client and says what to do next. */
export class GatewayError extends Error {
  readonly kind: ErrorKind
  readonly code: string
  readonly param: string | undefined
  readonly retryAfterMs: number | undefined
  readonly retry: boolean
  readonly details: object | undefined
  readonly overflow: ErrorFacts['overflow']
  readonly detail: unknown
  readonly status: number

  constructor(kind: ErrorKind, message: string, facts: ErrorFacts = {}) {
    // The message may quote a client or an upstream: control and direction characters are replaced, so that it stays
    // one line that reads in order.
    super(message.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]+/gu, ' '), { cause: facts.cause })
    this.name = 'GatewayError'
    this.kind = kind
    this.code = facts.code ?? kind.replaceAll('-', '_')
    this.param = facts.param
    this.retryAfterMs = facts.retryAfterMs
    this.retry = facts.retry ?? kinds[kind].retry
    this.details = facts.details
    this.overflow = facts.overflow
    this.detail = facts.detail
    this.status = facts.status ?? kinds[kind].status
  }

  /** The same error with another message or other facts, and this one as its cause. */
  with({ message = this.message, ...changes }: ErrorFacts & { message?: string }): GatewayError {
    const { kind, code, param, retryAfterMs, status, retry, details, overflow, detail } = this
    const facts = { code, param, retryAfterMs, status, retry, details, overflow, detail, cause: this }
    return new GatewayError(kind, message, { ...facts, ...changes })
  }
}

/** An error about one field of a body: `stop: expected …`. `param` is its path. */
export function invalidField(param: string, reason: string, facts: Omit<ErrorFacts, 'param'> = {}): GatewayError {
  return new GatewayError('invalid-request', `${param}: ${reason}`, { ...facts, param })
}

/**
 * The same error about the same field, under the name that an API has for it: the gateway itself calls fields as Chat
 * Completions do.
 */
export function withFieldNames(error: GatewayError, names: Readonly<Record<string, string>>): GatewayError {
  const { param, message } = error
  const name = param === undefined ? undefined : names[param]
  if (param === undefined || name === undefined) return error
  const isNamed = message.startsWith(`${param}: `)
  return error.with({ param: name, ...(isNamed ? { message: name + message.slice(param.length) } : {}) })
}

/** The error of a request whose client has disconnected. */
export function cancelled(cause?: unknown): GatewayError {
  return new GatewayError('cancelled', 'The client closed the request.', { cause })
}

/** Whatever was thrown, as a GatewayError; an unknown throw is `internal` and keeps its cause for the log. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  return new GatewayError('internal', 'The gateway failed while answering; its log has the details.', { cause: thrown })
}

/** Headers of every error response. */
export function errorHeaders(error: GatewayError): Record<string, string> {
  const headers: Record<string, string> = { 'x-should-retry': String(error.retry) }
  const seconds = retryAfterSeconds(error)
  if (seconds !== undefined) headers['retry-after'] = String(seconds)
  return headers
}

/**
 * How long a client should wait before it resends, if that helps: in whole seconds, and never 0, because clients retry
 * at once on 0.
 */
export function retryAfterSeconds({ kind, retryAfterMs }: GatewayError): number | undefined {
  const waitMs = retryAfterMs ?? (kind === 'rate-limited' ? 5_000 : undefined)
  return waitMs === undefined ? undefined : Math.max(1, Math.ceil(waitMs / 1000))
}
