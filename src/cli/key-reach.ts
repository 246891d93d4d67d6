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
  io.stderr(
    `zai2api: the gateway that runs at ${url} does not know this key, because it has another database; zai2api db status names the one that the key is in\n`,
  )
}

/** Also if it cannot be asked: then nothing is known against it. */
async function isKnown(url: string, secret: string): Promise<boolean> {
  const options = { signal: AbortSignal.timeout(requestTimeoutMs), proxy: '' } as RequestInit
  return await fetch(`${url}/v1/key`, { ...options, headers: { authorization: `Bearer ${secret}` } }).then(
    ({ status }) => status !== 401,
    () => true,
  )
}
