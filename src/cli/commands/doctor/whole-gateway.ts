import { compose } from '../../../compose.ts'
import type { Config } from '../../../config/load.ts'
import { type Finding, fail, pass } from '../../../core/finding.ts'
import { dialects } from '../../../dialects/index.ts'
import { replyAddresses } from '../../../http/hints.ts'
import { pathWith } from '../../../http/path-pattern.ts'
import type { ProbeOptions } from '../../../http-client/probe.ts'
import type { UpstreamKinds } from '../../../upstreams/upstream-kind.ts'
import { errorText } from './error-text.ts'

const question = 'Say OK.'
/** Reasoning counts towards the limit, too. */
const maxAnswerTokens = 64
const answerTimeoutMs = 60_000
/** A name of another vendor's large models, which the gateway maps to the primary model. */
const anyLarge = 'claude'

/** Sends one request in each dialect through the whole gateway, without opening a port. */
export async function* answers(
  config: Config,
  version: string,
  edge: ProbeOptions,
  kinds: UpstreamKinds,
): AsyncGenerator<Finding> {
  // With `queueMs: 0`, a busy account is reported as a finding instead of waited for.
  const open = { ...config, authToken: undefined, anthropicApiKey: undefined, logLevel: 'off' as const, queueMs: 0 }
  const { app, gateway } = await compose(open, version, { write() {} }, { fetch: edge.fetch, kinds })
  const asked = config.primaryModel ?? anyLarge
  // One after the other, because a guest may have only one chat at a time.
  for (const { dialect, path } of replyAddresses(dialects)) {
    const { body, params = {} } = dialect.example({ model: asked, text: question, probeTokens: maxAnswerTokens })
    // The part of the path that names the model is left out.
    yield await answer(`POST ${path.replace(/^.*:\w+(?=:)/, '…')}`, pathWith(path, params), body)
  }

  async function answer(check: string, path: string, body: object): Promise<Finding> {
    const stop = new AbortController()
    const disarm = edge.clock.after(answerTimeoutMs, () => stop.abort())
    const response = await app.handle(
      new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify(body), signal: stop.signal }),
    )
    const reply: unknown = await response.json()
    disarm()
    if (response.ok) return pass(check, `${config.primaryModel ?? (await gateway.model(asked)).displayName} answers`)
    const says = errorText(reply) ?? `HTTP ${response.status}`
    return fail(check, says, 'Mend what fails above; if nothing does, LOG_LEVEL=debug zai2api tells more.')
  }
}
