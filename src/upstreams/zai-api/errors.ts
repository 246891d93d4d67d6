import { isRecord } from '../../core/json.ts'
import {
  codeOf,
  type FailureRow,
  textOf,
  type UpstreamFailure,
  type VendorErrors,
  vendorErrors,
} from '../chat-completions/errors.ts'

/** The settings that error messages name, usually `ZAI_API_KEY` and `ZAI_API_BASE`. */
export interface ErrorSettings {
  keys: string
  base: string
}

export const usualSettings: ErrorSettings = { keys: 'ZAI_API_KEY', base: 'ZAI_API_BASE' }

export function zaiErrors(names: ErrorSettings): VendorErrors {
  return vendorErrors({
    label: 'Z.AI',
    failures: failures(names),
    noKey: `There is no API key for Z.AI. Set ${names.keys}.`,
    notAnApi: `Check ${names.base}, and whether a proxy stands in between.`,
    failureIn,
    resetTimeIn,
  })
}

/**
 * The API's codes are matched before HTTP statuses, because 429 alone does not mean that a retry helps. Failures that
 * must not be retried become neither 429 nor 5xx, whatever status the API sends: clients resend those again and again.
 * Source: the vendor's error reference of 2026-07 and bodies seen until 2026-10.
 */
function failures({ keys, base }: ErrorSettings): FailureRow[] {
  return [
    {
      code: 'upstream_auth_failed',
      codes: ['1000', '1001', '1002', '1003', '1004', '1005'],
      statuses: [401],
      kind: 'upstream-auth',
      message: `Z.AI does not accept the API key. Check that ${keys} is whole and still valid, and that ${base} names the service it is from.`,
      recovery: 'invalid-credential',
    },
    {
      code: 'upstream_account_inactive',
      codes: ['1110', '1111', '1112', '1120', '1121'],
      kind: 'upstream-blocked',
      message: `The Z.AI account behind this API key is inactive, locked or overdue. Sign in to its console to see why, or use another key (${keys}).`,
      recovery: 'invalid-credential',
    },
    {
      code: 'insufficient_quota',
      codes: ['1113'],
      statuses: [402],
      kind: 'quota-exhausted',
      message:
        'The Z.AI account behind this API key has neither balance nor a package for this call. If it has, the key belongs to another service: ' +
        `keys of a coding plan need ${base}=coding (or bigmodel-coding), all others ${base}=general (or bigmodel).`,
      // Free models keep working.
      recovery: 'model-unavailable',
    },
    {
      code: 'upstream_error',
      codes: ['1200', '1230', '1231', '1234'],
      statuses: [500, 502, 503, 504],
      kind: 'upstream-unavailable',
      message: 'Z.AI could not answer the call. Try again in a moment.',
      recovery: 'again',
    },
    {
      code: 'invalid_request',
      codes: ['1210', '1212', '1213', '1214', '1215', '1221', '1222'],
      statuses: [400, 422, 434],
      kind: 'invalid-request',
      message: 'Z.AI does not accept this request.',
      quoted: true,
      recovery: 'none',
    },
    {
      code: 'model_not_found',
      codes: ['1211'],
      kind: 'not-found',
      message: `Z.AI does not know this model at ${base}. Choose another one; GET /v1/models lists them.`,
      recovery: 'none',
      facts: { param: 'model' },
    },
    {
      code: 'model_not_available',
      codes: ['1220', '1311'],
      statuses: [403],
      kind: 'upstream-blocked',
      message: 'The plan of this Z.AI account does not include the model. Choose another model, or use another key.',
      recovery: 'model-unavailable',
    },
    {
      code: 'context_length_exceeded',
      codes: ['1261'],
      kind: 'context-overflow',
      message: 'The conversation is longer than the model can take. Shorten or compact it.',
      recovery: 'none',
      facts: { param: 'messages' },
    },
    {
      code: 'content_filter',
      codes: ['1300', '1301'],
      kind: 'content-filtered',
      message: 'Z.AI takes the content for unsafe or sensitive and does not answer it. Change the prompt.',
      recovery: 'none',
      facts: { param: 'messages' },
    },
    {
      code: 'rate_limit_exceeded',
      codes: ['1302', '1303'],
      statuses: [429],
      kind: 'rate-limited',
      message:
        'Z.AI allows no more calls of this model at a time with this key. Wait a moment, send fewer at a time, or add keys.',
      recovery: 'concurrency-limited',
      facts: { retryAfterMs: 15_000 },
    },
    {
      code: 'model_overloaded',
      codes: ['1305', '1312'],
      kind: 'rate-limited',
      message: 'The model is overloaded at Z.AI. Wait a minute, or choose another model.',
      recovery: 'model-overloaded',
      // An overload lasts for minutes, but the official SDKs obey only waits of less than one minute.
      facts: { retryAfterMs: 30_000 },
    },
    {
      code: 'usage_limit_reached',
      codes: ['1304', '1308', '1310'],
      kind: 'quota-exhausted',
      message: 'The usage limit of this Z.AI account is reached.',
      recovery: 'invalid-credential',
    },
    {
      code: 'plan_expired',
      codes: ['1309'],
      kind: 'quota-exhausted',
      message: `The coding plan of this Z.AI account has expired. Renew it, or use another key (${keys}).`,
      recovery: 'invalid-credential',
    },
    {
      code: 'fair_use_limit',
      codes: ['1313'],
      kind: 'upstream-blocked',
      message: `Z.AI says that the use of this plan is not within its fair use policy. Sign in to its console, or use a key with a balance and ${base}=general.`,
      recovery: 'invalid-credential',
    },
    {
      code: 'quota_used_up',
      codes: ['1316', '1317'],
      kind: 'quota-exhausted',
      message: `A package or quota of this Z.AI account is used up. Add to it in its console, or use another key (${keys}).`,
      recovery: 'invalid-credential',
    },
    {
      code: 'account_limit_reached',
      codes: ['1314', '1315', '1318', '1319', '1320', '1321'],
      kind: 'quota-exhausted',
      message: 'A limit that the owner of this Z.AI account has set is reached. Ask the owner, or use another key.',
      recovery: 'invalid-credential',
    },
    {
      code: 'upstream_wrong_address',
      // The router's code in a body with status 200.
      codes: ['404'],
      statuses: [404, 405],
      kind: 'upstream-blocked',
      message: `There is no such API at this address. Check ${base}: it ends in /v4.`,
      recovery: 'none',
    },
    {
      code: 'request_too_large',
      statuses: [413, 435],
      kind: 'too-large',
      message: 'The request is larger than Z.AI takes. Send smaller or fewer files.',
      recovery: 'none',
    },
  ]
}

/**
 * Reads `{"error":{"code":"1001","message":"…"}}`, with the code as a number, the error as text, or code and request id
 * in brackets around the message. Also reads `{"code":500,"msg":"404 NOT_FOUND","success":false}` with status 200.
 */
function failureIn(body: unknown): UpstreamFailure | undefined {
  if (!isRecord(body)) return undefined
  const { error } = body
  if (typeof error === 'string' && error !== '') return { code: codeOf(body), text: error }
  if (isRecord(error)) {
    const text = textOf(error)
    const [, code = '', words = text] = /^\[(\d{3,4})\]\[(.*?)\](?:\[[^\]]*\])?$/s.exec(text) ?? []
    return { code: codeOf(error) || code, text: words }
  }
  if (body.success !== false) return undefined
  const text = textOf(body)
  return { code: /^404\b/.exec(text)?.[0] ?? codeOf(body), text }
}

/**
 * Reads `2026-03-20 18:00:00`: Beijing time, also on the international service. Source: resets compared with the quota.
 */
function resetTimeIn(text: string): number | undefined {
  const [, date, time] = /(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)/.exec(text) ?? []
  const at = Date.parse(`${date}T${time}+08:00`)
  return Number.isNaN(at) ? undefined : at
}
