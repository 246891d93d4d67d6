import type { Refusal } from '../../core/credential-pool.ts'
import { type ErrorFacts, type ErrorKind, GatewayError } from '../../core/errors.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import { quote } from '../../core/redact.ts'

/** What may be done as long as nothing was sent to the client: try once more, or have the pool find a session. */
export type Recovery =
  | Extract<Refusal, 'concurrency-limited' | 'account-concurrency-limited' | 'invalid-credential'>
  | 'new-version'
  | 'again'
  | 'none'

/** What the backend said went wrong: its code where it gave one, its words, and the status of a plain HTTP answer. */
interface UpstreamError {
  code: string
  text: string
  status: number | undefined
}

interface FailureRow {
  code: string
  /** Backend codes that mean it, whatever the text says. */
  codes?: RegExp
  /** Texts that mean it, where no code tells. */
  texts?: RegExp
  kind: ErrorKind
  message: string
  facts?: ErrorFacts
  /** Another model may fare better. */
  about?: 'model'
}

/**
 * Code first, text second, HTTP status last: the captcha wall reuses the words of the outdated client.
 * Source: captures of 2025-09 to 2026-10; `PAGE` is our own code for an HTML page in place of an answer.
 */
const failures: FailureRow[] = [
  {
    code: 'captcha_required',
    codes: /CAPTCHA/,
    texts: /captcha|人机验证/i,
    kind: 'upstream-blocked',
    message:
      "Z.AI's web chat asks this session for a captcha, and zai2api does not solve captchas. " +
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
    message: 'Z.AI does not accept the token of this session. Take a fresh one from chat.z.ai (ZAI_TOKEN).',
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

/** By the code of a GatewayError; what is not listed is not worth another try. */
const recoveries: Record<string, Recovery> = {
  rate_limit_exceeded: 'account-concurrency-limited',
  upstream_auth_failed: 'invalid-credential',
  upstream_client_outdated: 'new-version',
  // A stale version brings these two as well.
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

/** The error a frame of the stream carries. It may stand at four depths, as text or as an object. */
export function frameError(frame: unknown): GatewayError | undefined {
  const upstreamError = upstreamErrorIn(frame)
  return upstreamError && errorOf(upstreamError)
}

/** The error behind an HTTP answer that should have been something else, whatever its status. */
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

/** A 200 without a word of an answer. */
export function emptyResponse(): GatewayError {
  return new GatewayError('upstream-malformed', 'Z.AI ended its reply without an answer. Try again.', {
    code: 'upstream_empty_response',
  })
}

function errorOf(upstreamError: UpstreamError): GatewayError {
  const { code, text, status } = upstreamError
  const detail = { code, status, text: quoteWithoutStop(text) }
  const meant =
    failures.find(({ codes }) => code !== '' && codes?.test(code)) ??
    failures.find(({ texts }) => texts?.test(text)) ??
    failures.find(({ codes }) => status !== undefined && codes?.test(String(status)))
  // 429 is too much of something; the text says of what.
  const finer = code === '429' && failures.find((row) => row.code === meant?.code && row.texts?.test(text))
  const known = finer || meant
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
    if (isRecord(error)) return { code: codeOf(error) || codeOf(holder), text: wordsOf(error), status: undefined }
  }
  return undefined
}

/** JSON bodies without an `error`: `detail` as text or object, else a code with a message. */
function detailIn(body: unknown): UpstreamError | undefined {
  if (!isRecord(body)) return undefined
  const { detail } = body
  if (isRecord(detail)) return { code: codeOf(detail) || codeOf(body), text: wordsOf(detail), status: undefined }
  const text = wordsOf(body)
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

function wordsOf(holder: Record<string, unknown>): string {
  const words = [holder.detail, holder.message, holder.msg].find((value) => typeof value === 'string')
  return typeof words === 'string' ? words : ''
}

function htmlText(page: string): string {
  return /<title>([^<]*)<\/title>/i.exec(page)?.[1] ?? ''
}

/** It goes on in a sentence of ours. */
function quoteWithoutStop(text: string): string {
  return quote(text).replace(/[.。]$/, '')
}
