import { isIP } from 'node:net'
import { withTimeout } from '../../../core/clock.ts'
import { type Examined, type Finding, fail, pass, skip, warn } from '../../../core/finding.ts'
import type { BufferedResponse } from '../../../http-client/buffered-response.ts'
import { codeOf, probe, probeTimeoutMs, reasonOf } from '../../../http-client/probe.ts'
import type { Probes } from './probes.ts'

/** Z.AI accepts signatures that are up to five minutes old. */
const brokenSkewMs = 5 * 60_000
const noticedSkewMs = 60_000

/** Checks name resolution, connection and clock of one upstream. After a failure the remaining checks are skipped. */
export async function network(origin: string, through: string | undefined, edge: Probes): Promise<Examined> {
  const { hostname, host } = new URL(origin)
  const [name, connection, clock] = [`dns ${hostname}`, `connect ${host}`, `clock ${host}`] as const
  const resolved = await resolve(name, hostname, through, edge)
  if (resolved.status === 'fail')
    return unusable(resolved, skip(connection, 'its name is not known'), skip(clock, nobody))
  try {
    const answer = await probe(`${origin}/`, edge)
    const reached = pass(connection, `answers${through === undefined ? '' : ` through the proxy ${through}`}`)
    return { findings: [resolved, reached, skew(clock, answer, edge.clock.now())], usable: true }
  } catch (thrown) {
    return unusable(resolved, unreached(connection, host, through, thrown), skip(clock, nobody))
  }
}

const nobody = 'nobody to compare with'

function unusable(...findings: Finding[]): Examined {
  return { findings, usable: false }
}

async function resolve(check: string, hostname: string, through: string | undefined, edge: Probes): Promise<Finding> {
  if (through !== undefined) return skip(check, `the proxy ${through} looks it up`)
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return skip(check, 'an address needs none')
  const next = 'Check the network connection and the name server; behind a company proxy set HTTPS_PROXY.'
  try {
    const addresses = await withTimeout(edge.lookup(hostname), probeTimeoutMs, () => undefined, edge.clock)
    if (addresses !== undefined) return pass(check, addresses.join(', '))
    return fail(check, `the name server did not answer within ${probeTimeoutMs / 1000} s`, next)
  } catch (thrown) {
    return fail(check, `the name cannot be resolved (${codeOf(thrown)})`, next)
  }
}

function unreached(check: string, host: string, through: string | undefined, thrown: unknown): Finding {
  const code = codeOf(thrown)
  if (/CERT|TLS|SSL|SIGNED|VERIFY/i.test(code))
    return fail(
      check,
      `its certificate is not trusted (${code})`,
      'If a proxy of yours opens TLS, name its certificate in NODE_EXTRA_CA_CERTS; else somebody listens in.',
    )
  if (through !== undefined)
    return fail(check, `not through the proxy ${through} (${code})`, 'Check HTTPS_PROXY, or unset it to go direct.')
  if (/refused/i.test(code))
    return fail(
      check,
      `the connection is refused (${code})`,
      `A firewall or a wrong address: check the way to ${host}.`,
    )
  return fail(check, reasonOf(thrown), 'Check the network, and whether a firewall or a proxy stands in between.')
}

/** Compares the clocks by the response's Date header. `now` in epoch milliseconds. */
function skew(check: string, { headers }: BufferedResponse, now: number): Finding {
  const theirs = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(theirs)) return skip(check, 'it does not tell the time')
  const ahead = now - theirs
  const seconds = Math.round(Math.abs(ahead) / 1000)
  const says = `this machine is ${seconds} s ${ahead < 0 ? 'behind' : 'ahead'}`
  const next = 'Set the clock of this machine, best by NTP: requests are signed with the time.'
  if (Math.abs(ahead) > brokenSkewMs) return fail(check, says, next)
  return Math.abs(ahead) > noticedSkewMs ? warn(check, says, next) : pass(check, says)
}
