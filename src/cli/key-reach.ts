import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { systemClock } from '../async/system-clock.ts'
import type { Config } from '../config/load.ts'
import { provesBy, urlOf, whoListens } from './client-target.ts'
import type { Io } from './io.ts'

/** A gateway that has the same database learns of a key within a second; a busy one may take longer. */
const learnedWithinMs = 5_000
const pollMs = 200
const requestTimeoutMs = 5_000

/** Says so if the user's gateway at the configured address does not know a key that was just made here. */
export async function noteUnknownKey(config: Config, io: Io, secret: string): Promise<void> {
  if (config.listenPort === 0) return
  const url = urlOf(config)
  if ((await whoListens(url, fetch, provesBy(io))) !== 'own') return
  for (let waited = 0; waited < learnedWithinMs; waited += pollMs) {
    if (await isKnown(url, secret)) return
    await new Promise<void>((resolve) => void systemClock.after(pollMs, resolve))
  }
  const why = (await hasDatabaseInMemory(url, config))
    ? 'its database is in memory, as that of the demo is, and ends with it; start zai2api serve in its place, or make the key on its page for as long as it runs'
    : 'it has another database; zai2api db status names the one that the key is in'
  io.stderr(`zai2api: the gateway that runs at ${url} does not know this key, because ${why}\n`)
}

/** Also true if the gateway cannot be asked, because then there is no known problem. */
async function isKnown(url: string, secret: string): Promise<boolean> {
  return await fetch(`${url}/v1/key`, requestWith(secret)).then(
    ({ status }) => status !== 401,
    () => true,
  )
}

/** False also if the gateway does not say so, such as to another operator's key. */
async function hasDatabaseInMemory(url: string, { adminToken, authToken }: Config): Promise<boolean> {
  try {
    const response = await fetch(`${url}/admin/api/system`, requestWith(adminToken ?? authToken))
    return Value.Check(SystemInMemory, await response.json())
  } catch {
    return false
  }
}

const SystemInMemory = Type.Object({ database: Type.Literal('memory') })

/** Never through a proxy: it would take loopback for its own machine. */
function requestWith(key: string | undefined): RequestInit {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  return { headers, signal: AbortSignal.timeout(requestTimeoutMs), proxy: '' } as RequestInit
}
