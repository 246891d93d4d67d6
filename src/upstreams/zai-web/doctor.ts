import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { type Examined, type Finding, fail, pass, passed, skip, warn } from '../../core/finding.ts'
import { jsonOf, type ProbeOptions, probe, reasonOf } from '../../http-client/probe.ts'
import { userAgent } from '../../http-client/user-agent.ts'
import type { ZaiWebOptions } from './index.ts'
import { tokenAdvice } from './token-advice.ts'

type Site = Pick<ZaiWebOptions, 'baseUrl' | 'tokens' | 'anonymous'>

/** Checks whether chat.z.ai accepts guests and each of the configured tokens. */
export async function examineAccounts(site: Site, edge: ProbeOptions): Promise<Examined> {
  const tokens = site.tokens.map((value, index) => token(tokenName(index, site), value, site, edge))
  const [asked, ...accounts] = await Promise.all([captcha(site, edge), guest(site, edge), ...tokens])
  return { findings: [asked, ...accounts], usable: accounts.some(passed) }
}

function tokenName(index: number, { tokens }: Site): string {
  return tokens.length === 1 ? 'web token' : `web token ${index + 1}`
}

const SiteConfig = Type.Object({ features: Type.Object({ enable_captcha: Type.Boolean() }) })

async function captcha({ baseUrl }: Site, edge: ProbeOptions): Promise<Finding> {
  const check = 'captcha'
  try {
    const body = jsonOf(await probe(`${baseUrl}/api/config`, edge, { headers: headersOf(baseUrl) }))
    if (!Value.Check(SiteConfig, body)) return skip(check, 'the site does not say')
    if (!body.features.enable_captcha) return pass(check, 'not asked for')
    return warn(
      check,
      'the site asks for a captcha, which a gateway cannot solve: guests and many accounts are refused',
      'Use an API key: ZAI_API_KEY.',
    )
  } catch (thrown) {
    return skip(check, reasonOf(thrown))
  }
}

const AccountReply = Type.Object({
  token: Type.String({ minLength: 1 }),
  role: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  email: Type.Optional(Type.Union([Type.String(), Type.Null()])),
})

async function guest({ baseUrl, anonymous, tokens }: Site, edge: ProbeOptions): Promise<Finding> {
  const check = 'guest'
  if (!anonymous) {
    if (tokens.length > 0) return skip(check, 'not wanted (ANONYMOUS_MODE)')
    return fail(check, 'not wanted (ANONYMOUS_MODE), and there is no token', 'Set ZAI_TOKEN, or ANONYMOUS_MODE=true.')
  }
  try {
    const answer = await auths(baseUrl, undefined, edge)
    if (answer.ok && Value.Check(AccountReply, jsonOf(answer))) return pass(check, 'the site hands out a guest account')
    return noGuest(check, `the site hands out no guest account (HTTP ${answer.status})`)
  } catch (thrown) {
    return noGuest(check, reasonOf(thrown))
  }
}

function noGuest(check: string, says: string): Finding {
  return fail(check, says, 'Set ZAI_TOKEN to a token of your own, or ZAI_API_KEY to a key of the official API.')
}

async function token(check: string, value: string, { baseUrl }: Site, edge: ProbeOptions): Promise<Finding> {
  try {
    const answer = await auths(baseUrl, value, edge)
    const body = jsonOf(answer)
    if (!answer.ok) return fail(check, `the site refuses it (HTTP ${answer.status})`, tokenAdvice)
    if (!Value.Check(AccountReply, body)) return fail(check, 'the site answers with no account', tokenAdvice)
    const downgraded = body.role === 'guest' || /^guest-.*@guest\.com$/i.test(body.email ?? '')
    if (!downgraded) return pass(check, 'the site knows its account')
    return fail(check, 'it is not accepted any more: the site answers as to a guest', tokenAdvice)
  } catch (thrown) {
    return fail(check, reasonOf(thrown), 'Check the network, then run zai2api doctor again.')
  }
}

function auths(baseUrl: string, token: string | undefined, edge: ProbeOptions) {
  const headers = headersOf(baseUrl)
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  return probe(`${baseUrl}/api/v1/auths/`, edge, { headers })
}

function headersOf(origin: string): Record<string, string> {
  return { accept: '*/*', 'user-agent': userAgent, origin, referer: `${origin}/` }
}
