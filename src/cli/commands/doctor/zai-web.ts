import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Config } from '../../../config/load.ts'
import { type Examined, type Finding, fail, pass, passed, skip, warn } from './finding.ts'
import { jsonOf, type Probes, probe, reasonOf } from './probe.ts'

/** Checks whether chat.z.ai accepts guests and each of the configured tokens. */
export async function checkZaiWeb(config: Config, edge: Probes): Promise<Examined> {
  const tokens = config.zaiTokens.map((value, index) => token(tokenName(index, config), value, config, edge))
  const [asked, ...sessions] = await Promise.all([captcha(config, edge), guest(config, edge), ...tokens])
  return { findings: [asked, ...sessions], usable: sessions.some(passed) }
}

function tokenName(index: number, { zaiTokens }: Config): string {
  return zaiTokens.length === 1 ? 'web token' : `web token ${index + 1}`
}

const SiteConfig = Type.Object({ features: Type.Object({ enable_captcha: Type.Boolean() }) })

async function captcha({ webBaseUrl }: Config, edge: Probes): Promise<Finding> {
  const check = 'captcha'
  try {
    const body = jsonOf(await probe(`${webBaseUrl}/api/config`, edge, { headers: headersOf(webBaseUrl) }))
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

const Session = Type.Object({
  token: Type.String({ minLength: 1 }),
  role: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  email: Type.Optional(Type.Union([Type.String(), Type.Null()])),
})

async function guest({ webBaseUrl, anonymousMode, zaiTokens }: Config, edge: Probes): Promise<Finding> {
  const check = 'guest'
  if (!anonymousMode) {
    if (zaiTokens.length > 0) return skip(check, 'not wanted (ANONYMOUS_MODE)')
    return fail(check, 'not wanted (ANONYMOUS_MODE), and there is no token', 'Set ZAI_TOKEN, or ANONYMOUS_MODE=true.')
  }
  try {
    const answer = await auths(webBaseUrl, undefined, edge)
    if (answer.ok && Value.Check(Session, jsonOf(answer))) return pass(check, 'the site hands out a session')
    return noSession(check, `the site hands out no session (HTTP ${answer.status})`)
  } catch (thrown) {
    return noSession(check, reasonOf(thrown))
  }
}

function noSession(check: string, says: string): Finding {
  return fail(check, says, 'Set ZAI_TOKEN to a token of your own, or ZAI_API_KEY to a key of the official API.')
}

async function token(check: string, value: string, { webBaseUrl }: Config, edge: Probes): Promise<Finding> {
  const next = 'Sign in at chat.z.ai and copy "token" from the local storage of its page into ZAI_TOKEN.'
  try {
    const answer = await auths(webBaseUrl, value, edge)
    const body = jsonOf(answer)
    if (!answer.ok) return fail(check, `the site refuses it (HTTP ${answer.status})`, next)
    if (!Value.Check(Session, body)) return fail(check, 'the site answers with no session', next)
    const downgraded = body.role === 'guest' || /^guest-.*@guest\.com$/i.test(body.email ?? '')
    if (!downgraded) return pass(check, 'the site knows its account')
    return fail(check, 'it is not accepted any more: the site answers as to a guest', next)
  } catch (thrown) {
    return fail(check, reasonOf(thrown), 'Check the network, then run zai2api doctor again.')
  }
}

function auths(webBaseUrl: string, token: string | undefined, edge: Probes) {
  const headers = headersOf(webBaseUrl)
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  return probe(`${webBaseUrl}/api/v1/auths/`, edge, { headers })
}

function headersOf(origin: string): Record<string, string> {
  return { accept: '*/*', 'user-agent': 'zai2api', origin, referer: `${origin}/` }
}
