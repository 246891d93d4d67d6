import { BlockList, isIP } from 'node:net'
import type { Config, ConfigWarning, LoadedConfig } from './load.ts'
import { addressOf, settingList } from './table.ts'

/** Fills `bytes` with randomness and returns them. */
export type RandomBytes = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array

export type ListenPolicy =
  | { ok: true /** Anybody who reaches the port may call. */; open: boolean }
  | { ok: false; message: string }

/** The address and the key, and the warnings that explain a missing key. */
type Listener = Pick<LoadedConfig, 'config' | 'warnings'>

/** Without a key the gateway spends its owner's accounts for everybody who can reach it: then only for this machine. */
export function listenPolicy({ config, warnings }: Listener, random: RandomBytes): ListenPolicy {
  const { host, authToken } = config
  if (authToken !== undefined) return { ok: true, open: false }
  if (isLoopback(host)) return { ok: true, open: true }
  return {
    ok: false,
    message: [
      ...warnings.filter(({ serious }) => serious).map(({ message }) => `${message}.`),
      `will not listen on ${host} without a key: everybody who can reach it could use your accounts.`,
      'Listen on 127.0.0.1, or put this freshly made key into .env and give it to your clients:',
      `AUTH_TOKEN=${newKey(random)}`,
    ].join('\n'),
  }
}

export function isLoopback(host: string): boolean {
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')
  const family = isIP(host)
  if (family === 0) return host.toLowerCase() === 'localhost'
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** The same of an http(s) address; one that cannot be read is not. */
export function isOnLoopback(url: string): boolean {
  // Without the brackets of IPv6.
  return URL.canParse(url) && isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ''))
}

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** `sk-` and 32 letters and digits, about 190 bits. */
export function newKey(random: RandomBytes): string {
  let key = ''
  while (key.length < 32) {
    // 248 is the last multiple of 62 in a byte: taking more would favour the first digits.
    const fair = [...random(new Uint8Array(64))].filter((byte) => byte < 248)
    key += fair.map((byte) => base62[byte % 62]).join('')
  }
  return `sk-${key.slice(0, 32)}`
}

/** What works otherwise than the operator may think, one line each; nothing of it stops the start. */
export function configWarnings({ config, warnings }: LoadedConfig): ConfigWarning[] {
  const found = [...anyPage(config), ...readableOnTheWay(config)]
  return [...warnings, ...found.map((message) => ({ message, serious: false }))]
}

function anyPage({ corsOrigins, authToken }: Config): string[] {
  if (!corsOrigins.includes('*') || authToken !== undefined) return []
  return [
    'CORS_ORIGINS=* needs AUTH_TOKEN: without a key only pages of this machine may call, and origins that are named',
  ]
}

/** Addresses to which keys and prompts go in the clear, over more than this machine. */
function readableOnTheWay(config: Config): string[] {
  const rows = config.upstreams.flatMap(({ id, row: { base } = {} }) =>
    base === undefined ? [] : readable(`base of ${id} in [[upstreams]]`, base),
  )
  const found = settingList.flatMap((setting) => {
    const { name, env } = setting
    const destination = addressOf(setting)
    const isUsed = destination === 'collector' || config.upstreams.some(({ id }) => id === destination)
    const address = config[name]
    if (!isUsed || typeof address !== 'string') return []
    return readable(env, address, destination === 'collector' ? 'headers and traces' : undefined)
  })
  return [...found, ...rows]
}

function readable(setting: string, address: string, what = 'key and the prompts'): string[] {
  if (!URL.canParse(address)) return []
  const { protocol, hostname } = new URL(address)
  if (protocol !== 'http:' || isOnLoopback(address)) return []
  return [`${setting} is plain http to ${hostname}: whoever is on the way reads the ${what}; use https`]
}
