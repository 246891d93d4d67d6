import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isRecord, parseJson } from '../../core/json.ts'
import type { BufferedResponse } from '../../http-client/buffered-response.ts'
import { type ErrorSettings, zaiErrors } from './errors.ts'

/** What the response to one small completion says about the key that it was sent with. */
export type KeyVerdict =
  | { accepted: true }
  /** `elsewhere`: another service may accept the key. */
  | { accepted: false; problem: string; next: string; elsewhere: boolean }

const Completion = Type.Object({ choices: Type.Array(Type.Unknown()) })

/** The verdicts by the gateway's error code; the table in errors.ts maps the vendor's codes to these. */
const verdicts: Record<string, (names: ErrorSettings) => Omit<Extract<KeyVerdict, { accepted: false }>, 'accepted'>> = {
  upstream_auth_failed: () => ({
    problem: 'the API does not accept it',
    next: 'Copy the key again, whole, from the page it was made on; it looks like ID.SECRET.',
    elsewhere: true,
  }),
  insufficient_quota: ({ base }) => ({
    problem: 'its account has neither balance nor a plan for this service',
    next: `Keys of the coding plan need ${base}=coding (or bigmodel-coding), others general (or bigmodel); if that is right, top up the account or use another key.`,
    elsewhere: true,
  }),
  upstream_account_inactive: () => ({
    problem: 'its account is inactive, locked or overdue',
    next: 'Sign in to the console of the account to see why.',
    elsewhere: true,
  }),
  usage_limit_reached: () => ({
    problem: 'accepted, but its limit is reached',
    next: 'Wait for the reset (zai2api quota says when), or add a key.',
    elsewhere: false,
  }),
  rate_limit_exceeded: rateLimited,
  model_overloaded: rateLimited,
  plan_expired: forbidden,
  fair_use_limit: forbidden,
  quota_used_up: forbidden,
  account_limit_reached: forbidden,
  upstream_wrong_address: noApiHere,
  // Login portals answer with status 200 and a page.
  upstream_malformed: noApiHere,
}

/** Units: `now` in epoch milliseconds. */
export function keyVerdict(answer: BufferedResponse, names: ErrorSettings, now: number): KeyVerdict {
  if (Value.Check(Completion, parseJson(answer.text))) return { accepted: true }
  const { code, detail } = zaiErrors(names).ofResponse(answer, now)
  const vendorCode = isRecord(detail) && typeof detail.code === 'string' ? detail.code : ''
  // These codes mean that the model is not offered to the key, so the key itself is valid.
  if (vendorCode !== '' && (code === 'model_not_found' || code === 'model_not_available')) return { accepted: true }
  const { problem, next, elsewhere } = (verdicts[code] ?? unknown)(names)
  const isAddress = code === 'upstream_wrong_address' || code === 'upstream_malformed'
  return {
    accepted: false,
    problem: isAddress ? problem : `${problem} (${vendorCode || `HTTP ${answer.status}`})`,
    next,
    elsewhere,
  }
}

function rateLimited() {
  return { problem: 'accepted, but busy just now', next: 'Try again in a minute.', elsewhere: false }
}

function forbidden() {
  return {
    problem: 'its plan has expired or forbids this use',
    next: 'Sign in to the console of the account to see why, or use another key.',
    elsewhere: true,
  }
}

function noApiHere({ base }: ErrorSettings) {
  return {
    problem: 'there is no such API at this address',
    next: `Check ${base}: a name such as general or coding, or a URL ending in /v4.`,
    elsewhere: true,
  }
}

function unknown() {
  return { problem: 'the API could not say', next: 'Try again in a minute.', elsewhere: false }
}
