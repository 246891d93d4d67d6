import type { CredentialRefusal } from '../../core/credential-pool.ts'
import { type ErrorFacts, type ErrorKind, GatewayError } from '../../core/errors.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import { quote } from '../../core/redact.ts'
import { tokenAdvice } from './token-advice.ts'

/** What can be done as long as nothing was sent to the client: try again, or let the pool choose another account. */
export type Recovery =
  | Extract<CredentialRefusal, 'concurrency-limited' | 'account-concurrency-limited' | 'invalid-credential'>
  | 'new-version'
  | 'again'
  | 'none'

/**
 * An error from the backend: its code, if there was one, its message, and the HTTP status if it was a plain response.
 */
interface UpstreamError {
  code: string
  text: string
  status: number | undefined
}

interface FailureRow {
  code: string
  /** Backend codes with this meaning, whatever the message says. */
  codes?: RegExp
  /** Messages with this meaning, if no code matches. */
  texts?: RegExp
  kind: ErrorKind
  message: string
  facts?: ErrorFacts
  /** Whether the failure concerns this model only. */
  about?: 'model'
}

/**
 * Codes are matched first, then messages, then HTTP statuses, because the captcha error has the same message as the
 * error for an outdated client.
 * Source: captures of 2025-09 to 2026-10. `PAGE` is the gateway's own code for an HTML page instead of an answer.
 */
const failures: FailureRow[] = [
  {
    code: 'captcha_required',
    codes: /CAPTCHA/,
    texts: /captcha|人机验证/i,
    kind: 'upstream-blocked',
    message:
      "Z.AI's web chat asks this account for a captcha, and zai2api does not solve captchas. " +
      'Use your own token from chat.z.ai (ZAI_TOKEN), another account, or an official API key.',
  },
  {
    code: 'upstream_blocked',
    codes: /^PAGE$/,
    texts: /errors\.aliyun\.com|potential threats to the server/i,
    kind: 'upstream-blocked',
    message:
      "Z.AI's firewall blocks requests from this network. Use another network, or an official API key with the official API.",
  },
  {
    code: 'upstream_signature_rejected',
    codes: /SIGNATURE/,
    texts: /signature|签名/i,
    kind: 'upstream-unavailable',
    message:
      'Z.AI rejected the signature of the request. Check that the clock of this machine is right; ' +
      'if it is, Z.AI has changed how requests are signed and zai2api needs an update.',
    facts: { retry: false },
  },
  {
    code: 'upstream_client_outdated',
    codes: /^426$/,
    texts: /client version|version check|refresh the page|刷新页面/i,
    kind: 'upstream-unavailable',
    message:
      'Z.AI takes zai2api for an outdated version of its web page. Try again in a few minutes; if it stays, update zai2api.',
    facts: { retry: false },
  },
  {
    code: 'rate_limit_exceeded',
    codes: /MODEL_CONCURRENCY/,
    texts: /currently at capacity/i,
    kind: 'rate-limited',
    message:
      'Z.AI allows no more parallel chats with this model right now. Wait a moment, send fewer requests at a time, or choose another model.',
    facts: { retryAfterMs: 10_000 },
    about: 'model',
  },
  {
    // A guest may have one chat at a time, whatever the model.
    code: 'rate_limit_exceeded',
    codes: /^429$|CONCURRENCY|RATE_LIMIT/,
    texts: /concurrent conversation|too many requests|rate limit/i,
    kind: 'rate-limited',
    message:
      'Z.AI allows no more parallel chats right now. Wait a moment, send fewer requests at a time, or add accounts.',
    facts: { retryAfterMs: 10_000 },
  },
  {
    code: 'upstream_auth_failed',
    codes: /^401$/,
    texts: /\bunauthorized\b|not authenticated|token (?:is |has )?(?:invalid|expired)|invalid token/i,
    kind: 'upstream-auth',
    message: `Z.AI does not accept the token of this account. ${tokenAdvice}`,
  },
  {
    code: 'model_not_found',
    texts: /model (?:is )?(?:not found|does not exist)|模型不存在/i,
    kind: 'not-found',
    message: 'chat.z.ai does not know this model. Choose another one; GET /v1/models lists them.',
    facts: { param: 'model' },
  },
  {
    code: 'model_not_available',
    codes: /^403$/,
    texts: /not available for (?:the )?current user level/i,
    kind: 'upstream-blocked',
    message:
      'Z.AI does not open this model to this account. Choose another model, or use an account of a higher level (ZAI_TOKEN).',
  },
]

/** By the code of the GatewayError. Other codes are not retried. */
const recoveries: Record<string, Recovery> = {
  rate_limit_exceeded: 'account-concurrency-limited',
  upstream_auth_failed: 'invalid-credential',
  upstream_client_outdated: 'new-version',
  // An outdated version causes these two errors as well.
  upstream_blocked: 'new-version',
  upstream_signature_rejected: 'new-version',
  upstream_error: 'again',
  upstream_empty_response: 'again',
  upstream_malformed: 'again',
  upstream_truncated: 'again',
  upstream_unavailable: 'again',
  upstream_not_http: 'again',
}

export function recoveryOf(error: GatewayError): Recovery {
  const recovery = recoveries[error.code] ?? 'none'
  return recovery === 'account-concurrency-limited' && isAboutModel(error.detail) ? 'concurrency-limited' : recovery
}

/** The error in a frame of the stream, if it is one. It may be at four depths, as text or as an object. */
export function frameError(frame: unknown): GatewayError | undefined {
  const upstreamError = upstreamErrorIn(frame)
  return upstreamError && errorOf(upstreamError)
}

/** The error for an HTTP response that should have been something else, whatever its status. */
export function bodyError(status: number, contentType: string, body: string): GatewayError {
  const json = parseJson(body)
  const upstreamError = upstreamErrorIn(json) ?? detailIn(json)
  if (upstreamError) return errorOf({ ...upstreamError, status })
  const isPage = /html/i.test(contentType) || /^\s*<(?:!doctype|html)/i.test(body)
  if (isPage && (status === 403 || status === 405)) return errorOf({ code: 'PAGE', text: '', status })
  const plain = errorOf({ code: '', text: isPage ? htmlText(body) : body, status })
  if (plain.code !== 'upstream_error' || status >= 400) return plain
  return new GatewayError(
    'upstream-malformed',
    'Z.AI answered with something that is not a reply. Try again; if it stays, Z.AI has changed its web chat and zai2api needs an update.',
    { detail: { status, contentType } },
  )
}

/** The error for a reply with status 200 and no content. */
export function emptyResponse(): GatewayError {
  return new GatewayError('upstream-malformed', 'Z.AI ended its reply without an answer. Try again.', {
    code: 'upstream_empty_response',
  })
}

/** The error for a part of the reply that cannot be read, without which the rest is not the reply. */
export function unreadablePart(): GatewayError {
  return new GatewayError('upstream-malformed', 'Z.AI sent a part of its answer that cannot be read. Try again.')
}

function errorOf(upstreamError: UpstreamError): GatewayError {
  const { code, text, status } = upstreamError
  const detail = { code, status, text: quoteWithoutStop(text) }
  const matching =
    failures.find(({ codes }) => code !== '' && codes?.test(code)) ??
    failures.find(({ texts }) => texts?.test(text)) ??
    failures.find(({ codes }) => status !== undefined && codes?.test(String(status)))
  // 429 means too much of something; the message says of what.
  const specific = code === '429' && failures.find((row) => row.code === matching?.code && row.texts?.test(text))
  const known = specific || matching
  if (known) {
    const { kind, message, facts, about } = known
    return new GatewayError(kind, message, {
      ...facts,
      code: known.code,
      detail: about ? { ...detail, about } : detail,
    })
  }
  return new GatewayError('upstream-unavailable', unknownMessage(upstreamError), { code: 'upstream_error', detail })
}

function unknownMessage({ code, text, status }: UpstreamError): string {
  const quotedText = quoteWithoutStop(text) || code || (status === undefined ? 'nothing more' : `HTTP ${status}`)
  return `Z.AI could not answer and says: ${quotedText}. Try again, or choose another model.`
}

function isAboutModel(detail: unknown): boolean {
  return isRecord(detail) && detail.about === 'model'
}

function upstreamErrorIn(value: unknown): UpstreamError | undefined {
  if (!isRecord(value)) return undefined
  const data = isRecord(value.data) ? value.data : {}
  for (const holder of [value, data, data.data, data.inner]) {
    if (!isRecord(holder)) continue
    const { error } = holder
    if (typeof error === 'string' && error !== '') return { code: codeOf(holder), text: error, status: undefined }
    if (isRecord(error)) return { code: codeOf(error) || codeOf(holder), text: messageIn(error), status: undefined }
  }
  return undefined
}

/** Reads JSON bodies without an `error`: `detail` as text or object, otherwise a code with a message. */
function detailIn(body: unknown): UpstreamError | undefined {
  if (!isRecord(body)) return undefined
  const { detail } = body
  if (isRecord(detail)) return { code: codeOf(detail) || codeOf(body), text: messageIn(detail), status: undefined }
  const text = messageIn(body)
  return text === '' ? undefined : { code: codeOf(body), text, status: undefined }
}

function codeOf(holder: Record<string, unknown>): string {
  const { error_code, code, captcha_error_type } = holder
  if (captcha_error_type !== undefined) return 'CAPTCHA'
  return (
    [error_code, code].flatMap((value) =>
      typeof value === 'string' || typeof value === 'number' ? [String(value)] : [],
    )[0] ?? ''
  )
}

function messageIn(holder: Record<string, unknown>): string {
  const words = [holder.detail, holder.message, holder.msg].find((value) => typeof value === 'string')
  return typeof words === 'string' ? words : ''
}

function htmlText(page: string): string {
  return /<title>([^<]*)<\/title>/i.exec(page)?.[1] ?? ''
}

/** The quotation without its full stop, because a sentence continues after it. */
function quoteWithoutStop(text: string): string {
  return quote(text).replace(/[.。]$/, '')
}
