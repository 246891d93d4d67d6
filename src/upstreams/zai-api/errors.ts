import { type ErrorFacts, type ErrorKind, GatewayError } from '../../core/errors.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import type { Refusal } from '../../core/pool.ts'
import { quote } from '../../core/redact.ts'
import type { Answer } from '../../wire/answer.ts'

/** What may be done as long as nothing was sent to the client: try once more, or have the pool find room. */
export type Remedy = Refusal | 'again' | 'none'

/** What the API said went wrong. `status` and `retryAfterMs` are those of a plain HTTP answer. */
interface Complaint {
  code: string
  text: string
  status: number | undefined
  retryAfterMs: number | undefined
}

interface Failure {
  code: string
  /** Business codes that mean it. */
  codes?: readonly string[]
  /** HTTP statuses that mean it where no code is known. */
  statuses?: readonly number[]
  kind: ErrorKind
  message: string
  /** The API's own words say which field is at fault, so they follow the message. */
  quoted?: true
  remedy: Remedy
  facts?: ErrorFacts
}

/**
 * Code first, HTTP status second: 429 alone does not mean "try again".
 * What must not be sent again is neither 429 nor 5xx, whatever the API answers: clients resend those for ever.
 * Source: the vendor's error reference of 2026-07 and bodies seen until 2026-10.
 */
const failures: Failure[] = [
  {
    code: 'upstream_auth_failed',
    codes: ['1000', '1001', '1002', '1003', '1004', '1005'],
    statuses: [401],
    kind: 'upstream-auth',
    message:
      'Z.AI does not accept the API key. Check that ZAI_API_KEY is whole and still valid, and that ZAI_API_BASE names the service it is from.',
    remedy: 'dead',
  },
  {
    code: 'upstream_account_inactive',
    codes: ['1110', '1111', '1112', '1120', '1121'],
    kind: 'upstream-blocked',
    message:
      'The Z.AI account behind this API key is inactive, locked or overdue. Sign in to its console to see why, or use another key (ZAI_API_KEY).',
    remedy: 'dead',
  },
  {
    code: 'insufficient_quota',
    codes: ['1113'],
    statuses: [402],
    kind: 'quota-exhausted',
    message:
      'The Z.AI account behind this API key has neither balance nor a package for this call. If it has, the key belongs to another service: ' +
      'keys of a coding plan need ZAI_API_BASE=coding (or bigmodel-coding), all others ZAI_API_BASE=general (or bigmodel).',
    // Models that cost nothing go on working.
    remedy: 'unfit',
  },
  {
    code: 'upstream_error',
    codes: ['1200', '1230', '1231', '1234'],
    statuses: [500, 502, 503, 504],
    kind: 'upstream-unavailable',
    message: 'Z.AI could not answer the call. Try again in a moment.',
    remedy: 'again',
  },
  {
    code: 'invalid_request',
    codes: ['1210', '1212', '1213', '1214', '1215', '1221', '1222'],
    statuses: [400, 422, 434],
    kind: 'invalid-request',
    message: 'Z.AI does not accept this request.',
    quoted: true,
    remedy: 'none',
  },
  {
    code: 'model_not_found',
    codes: ['1211'],
    kind: 'not-found',
    message: 'Z.AI does not know this model at ZAI_API_BASE. Choose another one; GET /v1/models lists them.',
    remedy: 'none',
    facts: { param: 'model' },
  },
  {
    code: 'model_not_available',
    codes: ['1220', '1311'],
    statuses: [403],
    kind: 'upstream-blocked',
    message: 'The plan of this Z.AI account does not include the model. Choose another model, or use another key.',
    remedy: 'unfit',
  },
  {
    code: 'context_length_exceeded',
    codes: ['1261'],
    kind: 'context-overflow',
    message: 'The conversation is longer than the model can take. Shorten or compact it.',
    remedy: 'none',
    facts: { param: 'messages' },
  },
  {
    code: 'content_filter',
    codes: ['1300', '1301'],
    kind: 'content-filtered',
    message: 'Z.AI takes the content for unsafe or sensitive and does not answer it. Change the prompt.',
    remedy: 'none',
    facts: { param: 'messages' },
  },
  {
    code: 'rate_limit_exceeded',
    codes: ['1302', '1303'],
    statuses: [429],
    kind: 'rate-limited',
    message:
      'Z.AI allows no more calls of this model at a time with this key. Wait a moment, send fewer at a time, or add keys.',
    remedy: 'busy',
    facts: { retryAfterMs: 15_000 },
  },
  {
    code: 'model_overloaded',
    codes: ['1305', '1312'],
    kind: 'rate-limited',
    message: 'The model is overloaded at Z.AI. Wait a minute, or choose another model.',
    remedy: 'overloaded',
    // It lasts for minutes, but the vendors' SDKs obey only waits shorter than one.
    facts: { retryAfterMs: 30_000 },
  },
  {
    code: 'usage_limit_reached',
    codes: ['1304', '1308', '1310'],
    kind: 'quota-exhausted',
    message: 'The usage limit of this Z.AI account is reached.',
    remedy: 'dead',
  },
  {
    code: 'plan_expired',
    codes: ['1309'],
    kind: 'quota-exhausted',
    message: 'The coding plan of this Z.AI account has expired. Renew it, or use another key (ZAI_API_KEY).',
    remedy: 'dead',
  },
  {
    code: 'fair_use_limit',
    codes: ['1313'],
    kind: 'upstream-blocked',
    message:
      'Z.AI says that the use of this plan is not within its fair use policy. Sign in to its console, or use a key with a balance and ZAI_API_BASE=general.',
    remedy: 'dead',
  },
  {
    code: 'quota_used_up',
    codes: ['1316', '1317'],
    kind: 'quota-exhausted',
    message:
      'A package or quota of this Z.AI account is used up. Add to it in its console, or use another key (ZAI_API_KEY).',
    remedy: 'dead',
  },
  {
    code: 'account_limit_reached',
    codes: ['1314', '1315', '1318', '1319', '1320', '1321'],
    kind: 'quota-exhausted',
    message: 'A limit that the owner of this Z.AI account has set is reached. Ask the owner, or use another key.',
    remedy: 'dead',
  },
  {
    code: 'upstream_wrong_address',
    // What its router says, with status 200.
    codes: ['404'],
    statuses: [404, 405],
    kind: 'upstream-blocked',
    message: 'There is no such API at this address. Check ZAI_API_BASE: it ends in /v4.',
    remedy: 'none',
  },
  {
    code: 'request_too_large',
    statuses: [413, 435],
    kind: 'too-large',
    message: 'The request is larger than Z.AI takes. Send smaller or fewer files.',
    remedy: 'none',
  },
]

/** Our own codes of errors that no row made. */
const otherRemedies: Record<string, Remedy> = {
  upstream_unavailable: 'again',
  upstream_not_http: 'again',
  upstream_malformed: 'again',
  upstream_truncated: 'again',
  upstream_empty_response: 'again',
}

export function remedyOf({ code }: GatewayError): Remedy {
  return failures.find((failure) => failure.code === code)?.remedy ?? otherRemedies[code] ?? 'none'
}

/** How long until a credential that was refused is good again, where the API says so. */
export function goodAgainAfterMs({ kind, retryAfterMs = 0 }: GatewayError): number | undefined {
  return kind === 'quota-exhausted' && retryAfterMs > 0 ? retryAfterMs : undefined
}

/** The error a frame of the stream carries. `now` in epoch milliseconds. */
export function frameError(frame: unknown, now: number): GatewayError | undefined {
  const complaint = complaintIn(frame)
  return complaint && errorOf({ ...complaint, status: undefined, retryAfterMs: undefined }, now)
}

/** The error a whole answer is, in place of a stream. `now` in epoch milliseconds. */
export function answerError({ status, ok, headers, text }: Answer, now: number): GatewayError {
  const complaint = complaintIn(parseJson(text))
  if (ok && !complaint)
    return new GatewayError(
      'upstream-malformed',
      'Z.AI answered with something that is not a reply. Check ZAI_API_BASE, and whether a proxy stands in between.',
      { detail: { status, contentType: headers.get('content-type') } },
    )
  const { code, text: words } = complaint ?? { code: '', text: isMarkup(text) ? '' : text }
  return errorOf({ code, text: words, status, retryAfterMs: retryAfterOf(headers) }, now)
}

/** A reply that ends well without a word of an answer. */
export function emptyResponse(): GatewayError {
  return new GatewayError('upstream-malformed', 'Z.AI ended its reply without an answer. Try again.', {
    code: 'upstream_empty_response',
  })
}

/** The window was full before the first word of the answer. */
export function windowExceeded(): GatewayError {
  return new GatewayError(
    'context-overflow',
    'The conversation is longer than the model can take. Shorten or compact it.',
    {
      param: 'messages',
    },
  )
}

export function noKey(): GatewayError {
  return new GatewayError('upstream-auth', 'There is no API key for Z.AI. Set ZAI_API_KEY.', { code: 'no_api_key' })
}

function errorOf(complaint: Complaint, now: number): GatewayError {
  const { code, text, status } = complaint
  const known =
    failures.find(({ codes }) => codes?.includes(code)) ??
    failures.find(({ statuses }) => status !== undefined && statuses?.includes(status)) ??
    (status !== undefined && status >= 400 && status < 500 ? unknownRefusal : unknownFailure)
  const resetsAt = known.kind === 'quota-exhausted' ? resetTimeIn(text) : undefined
  const retryAfterMs = resetsAt === undefined ? complaint.retryAfterMs : Math.max(0, resetsAt - now)
  const param = known.quoted && fieldIn(text)
  return new GatewayError(known.kind, messageOf(known, complaint, resetsAt), {
    ...known.facts,
    code: known.code,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(param === undefined ? {} : { param }),
    detail: { code, status, text: quote(text) },
  })
}

const unknownRefusal: Failure = {
  code: 'upstream_refused',
  kind: 'invalid-request',
  message: 'Z.AI refuses this request.',
  quoted: true,
  remedy: 'none',
}

const unknownFailure: Failure = {
  code: 'upstream_error',
  kind: 'upstream-unavailable',
  message: 'Z.AI could not answer the call. Try again in a moment.',
  remedy: 'again',
}

function messageOf({ message, quoted }: Failure, { text }: Complaint, resetsAt: number | undefined): string {
  if (resetsAt !== undefined) {
    const time = new Date(resetsAt).toISOString().slice(0, 16).replace('T', ' ')
    return `${message} It resets at ${time} UTC; until then use another key.`
  }
  const said = quote(text)
  return quoted && said !== '' ? `${message} It says: ${said}` : message
}

const fields: readonly (readonly [pattern: RegExp, param: string])[] = [
  [/tool.?choice/i, 'tool_choice'],
  [/tool_call/i, 'messages'],
  [/\btools?\b/i, 'tools'],
  [/\btemperature\b/i, 'temperature'],
  [/\btop_p\b/i, 'top_p'],
  [/\bmax_tokens\b/i, 'max_tokens'],
  [/\bstop\b/i, 'stop'],
  [/\bresponse_format\b/i, 'response_format'],
  [/\bthinking\b|\breasoning/i, 'reasoning'],
  [/\bmodel\b/i, 'model'],
  [/\bmessages?\b|\bprompt\b|\brole\b|\bimage/i, 'messages'],
]

/** The field the API's words name, in the client's language. */
function fieldIn(text: string): string | undefined {
  return fields.find(([pattern]) => pattern.test(text))?.[1]
}

/** `2026-03-20 18:00:00`: Beijing time, on the international service as well. Source: resets compared with the quota. */
function resetTimeIn(text: string): number | undefined {
  const [, date, time] = /(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)/.exec(text) ?? []
  const at = Date.parse(`${date}T${time}+08:00`)
  return Number.isNaN(at) ? undefined : at
}

/** Whole seconds; a date is not sent. */
function retryAfterOf(headers: Answer['headers']): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  return seconds > 0 ? seconds * 1000 : undefined
}

/**
 * `{"error":{"code":"1001","message":"…"}}`, with the code as a number, the error as text, or the code and a request
 * id in brackets around the message; and `{"code":500,"msg":"404 NOT_FOUND","success":false}` with status 200.
 */
function complaintIn(value: unknown): Pick<Complaint, 'code' | 'text'> | undefined {
  if (!isRecord(value)) return undefined
  const { error } = value
  if (typeof error === 'string' && error !== '') return { code: codeOf(value), text: error }
  if (isRecord(error)) {
    const text = textOf(error)
    const [, code = '', words = text] = /^\[(\d{3,4})\]\[(.*?)\](?:\[[^\]]*\])?$/s.exec(text) ?? []
    return { code: codeOf(error) || code, text: words }
  }
  if (value.success !== false) return undefined
  const text = textOf(value)
  return { code: /^404\b/.exec(text)?.[0] ?? codeOf(value), text }
}

function codeOf({ code }: Record<string, unknown>): string {
  return typeof code === 'string' || typeof code === 'number' ? String(code) : ''
}

function textOf({ message, msg }: Record<string, unknown>): string {
  const text = message ?? msg
  return typeof text === 'string' ? text : ''
}

function isMarkup(text: string): boolean {
  return /^\s*</.test(text)
}
