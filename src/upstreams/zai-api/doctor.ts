import { apiServices } from '../../config/api-services.ts'
import { defaultSmallModel } from '../../core/default-models.ts'
import { type Examined, type Finding, fail, pass, passed, skip, warn } from '../../core/finding.ts'
import { quotaSummary } from '../../core/quota.ts'
import { type ProbeOptions, probe, probeTimeoutMs, reasonOf } from '../../http-client/probe.ts'
import { paths } from '../chat-completions/paths.ts'
import type { ApiAccount } from './accounts.ts'
import { apiBase } from './base-url.ts'
import { type ErrorSettings, usualSettings } from './errors.ts'
import { type KeyVerdict, keyVerdict } from './key-verdict.ts'
import { zaiApiHeaders } from './profile.ts'
import { readQuota } from './quota.ts'

/** Checks each key with a request for one token. Nothing cheaper tells whether the service accepts the key. */
export async function examineKeys(account: ApiAccount, edge: ProbeOptions): Promise<Examined> {
  const { keys, names, id } = account
  if (keys.length === 0)
    return {
      findings: [fail('api key', 'there is none', `Set ${names.keys} to a key of the official API.`)],
      usable: false,
    }
  const whose = id === 'zai-api' ? '' : `${id} `
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

async function accepted(check: string, key: string, account: ApiAccount, edge: ProbeOptions): Promise<Finding> {
  const { baseUrl, service, names } = account
  try {
    const verdict = await tryKey(baseUrl, key, names, edge)
    if (verdict.accepted) return pass(check, `accepted at ${service}`)
    if (!verdict.elsewhere) return warn(check, verdict.problem, verdict.next)
    const servedBy = await acceptingService(key, account, edge)
    if (servedBy === undefined) return fail(check, verdict.problem, verdict.next)
    return fail(
      check,
      `${verdict.problem}; it works at ${servedBy}`,
      names === usualSettings ? `Set ZAI_API_BASE=${servedBy}.` : `Set ${names.base} to ${servedBy}.`,
    )
  } catch (thrown) {
    return fail(check, reasonOf(thrown), `See that ${names.base} names the right service.`)
  }
}

async function tryKey(baseUrl: string, key: string, names: ErrorSettings, edge: ProbeOptions): Promise<KeyVerdict> {
  const answer = await probe(`${baseUrl}${paths.chat}`, edge, {
    method: 'POST',
    headers: { ...zaiApiHeaders(key), 'content-type': 'application/json' },
    body: JSON.stringify({
      model: defaultSmallModel.toLowerCase(),
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 1,
      thinking: { type: 'disabled' },
    }),
  })
  return keyVerdict(answer, names, edge.clock.now())
}

/** The service that takes the key after all. */
async function acceptingService(
  key: string,
  { baseUrl: wrong, names }: ApiAccount,
  edge: ProbeOptions,
): Promise<string | undefined> {
  // A key is never sent to an address that is not the vendor's own.
  if (!apiServices.some((name) => apiBase(name) === wrong)) return undefined
  const accepts = await Promise.all(
    apiServices.map(async (name) => {
      const baseUrl = apiBase(name)
      if (baseUrl === undefined || baseUrl === wrong) return false
      return tryKey(baseUrl, key, names, edge).then(
        (verdict) => verdict.accepted,
        () => false,
      )
    }),
  )
  return apiServices.find((_name, index) => accepts[index])
}

async function plan(
  check: string,
  key: string,
  { baseUrl }: ApiAccount,
  { fetch, clock }: ProbeOptions,
): Promise<Finding> {
  const { signal } = new AbortController()
  try {
    const quota = await readQuota({ baseUrl, key, fetch, clock, signal, timeoutMs: probeTimeoutMs })
    const full = quota.limits.some(({ kind, usedPercent }) => kind === 'tokens' && (usedPercent ?? 0) >= 100)
    if (!full) return pass(check, quotaSummary(quota))
    return warn(check, quotaSummary(quota), 'Wait for the reset (zai2api quota says when), or add a key.')
  } catch (thrown) {
    return skip(check, reasonOf(thrown))
  }
}
