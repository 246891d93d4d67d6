import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { usualSettings } from '../../../upstreams/zai-api/errors.ts'
import { apiBase } from '../../../upstreams/zai-api/index.ts'
import { readQuota } from '../../../upstreams/zai-api/quota.ts'
import type { ApiAccount } from '../../api-accounts.ts'
import { summary } from '../quota.ts'
import { type Examined, type Finding, fail, pass, passed, skip, warn } from './finding.ts'
import { jsonOf, type Probes, probe, probeTimeoutMs, reasonOf } from './probe.ts'

/** Checks each key with a request for one token. Nothing cheaper tells whether the service accepts the key. */
export async function checkZaiApi(account: ApiAccount, edge: Probes): Promise<Examined> {
  const { keys, names, upstream } = account
  if (keys.length === 0)
    return {
      findings: [fail('api key', 'there is none', `Set ${names.keys} to a key of the official API.`)],
      usable: false,
    }
  const whose = upstream === 'zai-api' ? '' : `${upstream} `
  const examined = keys.map((key, index) => {
    const number = keys.length === 1 ? '' : ` ${index + 1}`
    return Promise.all([
      accepted(`${whose}api key${number}`, key, account, edge),
      plan(`${whose}plan${number}`, key, account, edge),
    ])
  })
  const pairs = await Promise.all(examined)
  return { findings: pairs.flat(), usable: pairs.some(([key]) => passed(key)) }
}

async function accepted(check: string, key: string, account: ApiAccount, edge: Probes): Promise<Finding> {
  const { baseUrl, service, names } = account
  try {
    const verdict = await tryKey(baseUrl, key, edge)
    if (verdict.takes) return pass(check, `accepted at ${service}`)
    if (!verdict.elsewhere) return warn(check, verdict.says, verdict.next)
    const servedBy = await acceptingService(key, baseUrl, edge)
    if (servedBy === undefined) return fail(check, verdict.says, verdict.next)
    return fail(
      check,
      `${verdict.says}; it works at ${servedBy}`,
      names === usualSettings ? `Set ZAI_API_BASE=${servedBy}.` : `Set ${names.base} to ${servedBy}.`,
    )
  } catch (thrown) {
    return fail(check, reasonOf(thrown), `Check the network and ${names.base}.`)
  }
}

type KeyVerdict =
  | { takes: true }
  /** `elsewhere`: another service may take the key. */
  | { takes: false; says: string; next: string; elsewhere: boolean }

const ErrorBody = Type.Object({ error: Type.Object({ code: Type.Union([Type.String(), Type.Number()]) }) })

const Completion = Type.Object({ choices: Type.Array(Type.Unknown()) })

const smallestModel = 'glm-4.5-air'

async function tryKey(baseUrl: string, key: string, edge: Probes): Promise<KeyVerdict> {
  const answer = await probe(`${baseUrl}/chat/completions`, edge, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'accept-language': 'en-US,en',
      'content-type': 'application/json',
      'user-agent': 'zai2api',
    },
    body: JSON.stringify({
      model: smallestModel,
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 1,
      thinking: { type: 'disabled' },
    }),
  })
  const body = jsonOf(answer)
  const code = Value.Check(ErrorBody, body) ? String(body.error.code) : undefined
  if (Value.Check(Completion, body)) return { takes: true }
  // Servers answer unknown routes with status 200 and their own JSON, and login portals with 200 and a page.
  if (code === undefined && (answer.ok || answer.status === 404 || answer.status === 405)) return noApiHere
  // These codes mean that the model is not offered to the key, so the key itself is valid.
  if (code === '1211' || code === '1311') return { takes: true }
  const known = verdicts.find(({ codes }) => codes.test(code ?? String(answer.status)))
  const { says, next, elsewhere } = known ?? unknown
  return { takes: false, says: `${says} (${code ?? `HTTP ${answer.status}`})`, next, elsewhere }
}

/** The meaning of a business code, or of the HTTP status if the response has no code. */
const verdicts = [
  {
    codes: /^(100[0-5]|401)$/,
    says: 'the API does not accept it',
    next: 'Copy the key again, whole, from the page it was made on; it looks like ID.SECRET.',
    elsewhere: true,
  },
  {
    codes: /^(1113|402)$/,
    says: 'its account has neither balance nor a plan for this service',
    next: 'Keys of the coding plan need ZAI_API_BASE=coding (or bigmodel-coding), others general (or bigmodel); if that is right, top up the account or use another key.',
    elsewhere: true,
  },
  {
    codes: /^(111[0-2]|112[01])$/,
    says: 'its account is inactive, locked or overdue',
    next: 'Sign in to the console of the account to see why.',
    elsewhere: true,
  },
  {
    codes: /^(1304|1308|1310)$/,
    says: 'accepted, but its limit is reached',
    next: 'Wait for the reset (zai2api quota says when), or add a key.',
    elsewhere: false,
  },
  {
    codes: /^(1302|1303|1305|1312|429)$/,
    says: 'accepted, but busy just now',
    next: 'Try again in a minute.',
    elsewhere: false,
  },
  {
    codes: /^(1309|131[3-9]|132[01])$/,
    says: 'its plan has expired or forbids this use',
    next: 'Sign in to the console of the account to see why, or use another key.',
    elsewhere: true,
  },
] as const

const noApiHere: KeyVerdict = {
  takes: false,
  says: 'there is no such API at this address',
  next: 'Check ZAI_API_BASE: a name such as general or coding, or a URL ending in /v4.',
  elsewhere: true,
}

const unknown = { says: 'the API could not say', next: 'Try again in a minute.', elsewhere: false } as const

const services = ['general', 'coding', 'bigmodel', 'bigmodel-coding']

/** The service of the vendor that accepts the key; `undefined` if none does. */
async function acceptingService(key: string, wrong: string, edge: Probes): Promise<string | undefined> {
  // A key for another vendor's address is never sent to Z.AI.
  if (!services.some((name) => apiBase(name) === wrong)) return undefined
  const takes = await Promise.all(
    services.map(async (name) => {
      const baseUrl = apiBase(name)
      if (baseUrl === undefined || baseUrl === wrong) return false
      return tryKey(baseUrl, key, edge).then(
        (verdict) => verdict.takes,
        () => false,
      )
    }),
  )
  return services.find((_name, index) => takes[index])
}

async function plan(check: string, key: string, { baseUrl }: ApiAccount, { fetch, clock }: Probes): Promise<Finding> {
  const { signal } = new AbortController()
  try {
    const quota = await readQuota({ baseUrl, key, fetch, clock, signal, timeoutMs: probeTimeoutMs })
    const full = quota.limits.some(({ kind, usedPercent }) => kind === 'tokens' && (usedPercent ?? 0) >= 100)
    if (!full) return pass(check, summary(quota))
    return warn(check, summary(quota), 'Wait for the reset (zai2api quota says when), or add a key.')
  } catch (thrown) {
    return skip(check, reasonOf(thrown))
  }
}
