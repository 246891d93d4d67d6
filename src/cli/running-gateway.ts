import type { Config } from '../config/load.ts'
import { type Finding, pass, warn } from '../core/finding.ts'
import { keysOf } from './client-target.ts'
import type { Probes } from './commands/doctor/probes.ts'

const timeoutMs = 20_000

/**
 * Whether the user's gateway at `url` takes the key of this configuration, and is ready. Its settings may be other ones than
 * those that the other checks are about. The page needs none of this, since it runs within the gateway.
 */
export async function runningGateway(url: string, config: Config, edge: Probes): Promise<Finding> {
  const { openaiKey } = keysOf(config)
  const asked = { signal: AbortSignal.timeout(timeoutMs), proxy: false }
  const statusOf = async (path: string, headers = {}) => (await edge.fetch(url + path, { ...asked, headers })).status
  try {
    if ((await statusOf('/v1/models', { authorization: `Bearer ${openaiKey}` })) === 401)
      return warn(
        'gateway',
        `the one at ${url} does not take the key of this configuration, so its settings are others`,
        'Set its AUTH_TOKEN here, or name its file with --config; the other checks are of the settings here.',
      )
    if ((await statusOf('/readyz')) === 200)
      return pass('gateway', `the one at ${url} takes this key and is ready; the other checks are of the settings here`)
    return warn(
      'gateway',
      `the one at ${url} takes this key, and none of its upstreams is ready`,
      'If the other checks pass, it has other settings: its log says why, and the check on its page.',
    )
  } catch {
    return warn('gateway', `the one at ${url} does not answer`, 'Restart it.')
  }
}
