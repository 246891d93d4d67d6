import type { Config, LoadedConfig } from '../../../config/load.ts'
import { configWarnings, listenPolicy } from '../../../config/policy.ts'
import { proxyVariableProblem } from '../../../config/proxy-variables.ts'
import { type Finding, fail, pass, warn } from '../../../core/finding.ts'
import { urlOf, whoListens } from '../../client-target.ts'
import type { Probes } from './probes.ts'
import { fileLeadingTo } from './proxy-files.ts'

type Env = Record<string, string | undefined>

/** The number of settings that are set, and where. */
export function configuration({ origins }: LoadedConfig): Finding {
  const set = [...origins.values()].filter((origin) => origin !== 'default')
  const places = new Set(set.map(placeOf))
  const settings = set.length === 1 ? '1 setting' : `${set.length} settings`
  return pass('configuration', set.length === 0 ? 'all defaults' : `${settings} from ${[...places].join(', ')}`)
}

/** `flag --port` → `flags`, `LISTEN_PORT in /srv/.env` → `/srv/.env`. */
function placeOf(origin: string): string {
  if (origin.startsWith('flag ')) return 'flags'
  if (origin.startsWith('environment ')) return 'the environment'
  return origin.replace(/^\S+ in /, '')
}

export function configWarningFindings(loaded: LoadedConfig): Finding[] {
  return configWarnings(loaded).map(({ message }) =>
    warn('configuration', message, 'Correct it, or leave it where it is meant so.'),
  )
}

export function access(loaded: LoadedConfig, { proxyFiles }: Pick<Probes, 'proxyFiles'>): Finding {
  const { config } = loaded
  const policy = listenPolicy(loaded, (bytes) => crypto.getRandomValues(bytes))
  if (!policy.ok) {
    const says = `without AUTH_TOKEN it will not listen on ${config.host}`
    return fail('access', says, 'Set AUTH_TOKEN, or HOST=127.0.0.1; zai2api serve offers a fresh key.')
  }
  if (!policy.open) return pass('access', 'with the key of AUTH_TOKEN')
  const proxyFile = fileLeadingTo(config.listenPort, proxyFiles())
  if (proxyFile === undefined)
    return pass('access', 'this machine only, with any key; a proxy in front needs AUTH_TOKEN')
  const says = `any key opens it, and ${proxyFile} leads others to port ${config.listenPort}`
  return warn('access', says, 'Set AUTH_TOKEN, and give clients that key.')
}

export function proxy(env: Env): Finding {
  const problem = proxyVariableProblem(env)
  if (problem !== undefined) return fail('proxy', problem, 'Name an http:// proxy, or unset the variable.')
  const variable = proxyVariable(env, 'https:') ?? proxyVariable(env, 'http:')
  if (variable === undefined) return pass('proxy', 'none, connections are direct')
  const exceptions = (env.NO_PROXY || env.no_proxy || '').split(/[\s,]+/)
  const says = `${proxyHost(env, variable)} by ${variable}`
  if (exceptions.some((name) => ['*', '127.0.0.1', 'localhost'].includes(name))) return pass('proxy', says)
  return warn(
    'proxy',
    `${says}, which clients on this machine would ask for the gateway too`,
    'Set NO_PROXY=127.0.0.1,localhost for them.',
  )
}

/** The proxy that a call to `url` goes through, without its password. */
export function proxyFor(url: string, env: Env): string | undefined {
  const { protocol, hostname } = new URL(url)
  const variable = proxyVariable(env, protocol)
  if (variable === undefined) return undefined
  const isExempt = (env.NO_PROXY || env.no_proxy || '')
    .split(/[\s,]+/)
    .map((name) => name.replace(/^\*?\./, ''))
    .some((name) => name === '*' || (name !== '' && (hostname === name || hostname.endsWith(`.${name}`))))
  return isExempt ? undefined : proxyHost(env, variable)
}

function proxyVariable(env: Env, protocol: string): string | undefined {
  const name = protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  return [name, name.toLowerCase()].find((variable) => env[variable])
}

function proxyHost(env: Env, variable: string): string {
  const value = env[variable] ?? ''
  return URL.canParse(value) ? new URL(value).host || 'an unreadable address' : 'an unreadable address'
}

/**
 * Tries to listen on the port. If it is taken, a request finds out whether the user's own gateway runs there, whose URL is
 * returned then.
 */
export async function port(config: Config, edge: Probes): Promise<{ finding: Finding; gateway?: string }> {
  const { host, listenPort } = config
  if (listenPort === 0) return { finding: pass('port', 'any free one') }
  const outcome = await edge.tryPort(host, listenPort)
  if (outcome === 'free') return { finding: pass('port', `${listenPort} on ${host} is free`) }
  if (outcome !== 'EADDRINUSE') {
    const says = `${listenPort} on ${host} cannot be used (${outcome})`
    return { finding: fail('port', says, 'Choose another with --port.') }
  }
  const url = urlOf(config)
  const listener = await whoListens(url, edge.fetch, edge.proves)
  if (listener === 'own')
    return { finding: pass('port', `${listenPort} on ${host}: zai2api already runs there`), gateway: url }
  return { finding: listener === 'stranger' ? ofStranger(config) : ofAnother(config) }
}

function ofStranger({ host, listenPort }: Config): Finding {
  return warn(
    'port',
    `${listenPort} on ${host}: a gateway that does not prove to be yours`,
    'If it is one of another user, of a container or of an older version, choose another port with --port.',
  )
}

function ofAnother({ host, listenPort }: Config): Finding {
  return fail(
    'port',
    `${listenPort} on ${host} is taken by another program`,
    'Choose another with --port, or --port 0 for any free one.',
  )
}
