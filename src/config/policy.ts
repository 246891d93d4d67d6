import { BlockList, isIP } from 'node:net'
import type { Config, ConfigWarning, LoadedConfig } from './load.ts'
import { addressOf, settingList } from './table.ts'
import { kindOf, rowSetting } from './upstream-rows.ts'

/** Fills `bytes` with randomness and returns them. */
export type RandomBytes = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array

export type ListenPolicy = { ok: true /** No key is needed. */; open: boolean } | { ok: false; message: string }

/** Holds the listen address and the key, and the warnings that explain a missing key. */
type Listener = Pick<LoadedConfig, 'config' | 'warnings'>

/**
 * Without a key, everybody who reaches the gateway spends its owner's accounts. The gateway therefore listens without a
 * key on loopback only.
 */
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

/** Whether the host of a URL is loopback; `false` for an invalid URL. */
export function isOnLoopback(url: string): boolean {
  // A URL puts IPv6 addresses in brackets.
  return URL.canParse(url) && isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ''))
}

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** `sk-` and 32 letters and digits, about 190 bits. */
export function newKey(random: RandomBytes): string {
  let key = ''
  while (key.length < 32) {
    // 248 is the largest multiple of 62 below 256: larger bytes would make the first 8 digits more likely.
    const fair = [...random(new Uint8Array(64))].filter((byte) => byte < 248)
    key += fair.map((byte) => base62[byte % 62]).join('')
  }
  return `sk-${key.slice(0, 32)}`
}

/** Settings that may not work as the operator expects, one line each. None of them stops the start. */
export function configWarnings({ config, warnings }: LoadedConfig): ConfigWarning[] {
  const found = [...shortKeys(config), ...corsWithoutKey(config), ...sentWithoutTls(config)]
  return [...warnings, ...found.map((message) => ({ message, serious: false }))]
}

/** Shorter keys can be guessed from lists of common passwords, although wrong keys are slowed down. */
const minKeyLength = 8

/** Keys that strangers who reach the gateway could guess. */
function shortKeys({ host, authToken, anthropicApiKey, adminToken }: Config): string[] {
  if (isLoopback(host)) return []
  const keys = { AUTH_TOKEN: authToken, ANTHROPIC_API_KEY: anthropicApiKey, ADMIN_TOKEN: adminToken }
  return Object.entries(keys).flatMap(([name, key]) =>
    key === undefined || key.length >= minKeyLength
      ? []
      : [
          `${name} has less than ${minKeyLength} characters: whoever reaches ${host} can guess it soon; take a longer one`,
        ],
  )
}

function corsWithoutKey({ corsOrigins, authToken }: Config): string[] {
  if (!corsOrigins.includes('*') || authToken !== undefined) return []
  return [
    'CORS_ORIGINS=* needs AUTH_TOKEN: without a key only pages of this machine may call, and origins that are named',
  ]
}

/** Addresses outside of this machine to which keys and prompts are sent without encryption. */
function sentWithoutTls(config: Config): string[] {
  const rows = config.upstreams.flatMap((instance) => {
    const origin = instance.row && kindOf(instance, config.upstreamKinds).origin(instance, config)
    return origin === undefined ? [] : withoutTls(rowSetting('base', instance.id), origin)
  })
  const found = settingList.flatMap((setting) => {
    const { name, env } = setting
    const destination = addressOf(setting)
    const isUsed = destination === 'collector' || config.upstreams.some(({ id }) => id === destination)
    const address = config[name]
    if (!isUsed || typeof address !== 'string') return []
    return withoutTls(env, address, destination === 'collector' ? 'headers and traces' : undefined)
  })
  return [...found, ...rows]
}

function withoutTls(setting: string, address: string, what = 'key and the prompts'): string[] {
  if (!URL.canParse(address)) return []
  const { protocol, hostname } = new URL(address)
  if (protocol !== 'http:' || isOnLoopback(address)) return []
  return [`${setting} is plain http to ${hostname}: whoever is on the way reads the ${what}; use https`]
}
