import type { Caller, CallerPolicy } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { issuedPrefix } from '../core/issued-keys.ts'
import { isRecord, parseJson } from '../core/json.ts'
import { DatabaseError } from '../database/errors.ts'
import { retryAtStart } from '../database/retry-at-start.ts'
import type { KeyRow, KeyStore } from '../store/keys.ts'
import type { KeyRules } from './change.ts'
import { createKeyUses } from './key-uses.ts'
import { hashOf } from './secret.ts'

/** The keys in memory, so that requests of keys without budgets need no database access. */
export interface KeyRegistry {
  /**
   * Finds the caller of a secret; `undefined` if the text does not have the prefix of this gateway's secrets. Errors:
   * `unauthorized` for a secret that is unknown, disabled or expired. While the database is away, `overloaded` for an
   * unknown secret, and for every secret once the last read is a minute old.
   */
  callerOf(secret: string): Caller | undefined
  /** Finds the caller with an id; `undefined` if no key has it. Errors: those of `callerOf`. */
  callerOfId(id: string): Caller | undefined
  /** Reads all keys again. */
  refresh(): Promise<void>
  /** Stores the remaining changes. */
  close(): Promise<void>
}

export interface RegistryOptions {
  store: KeyStore
  clock: Clock
  /** The policy for keys without a rate of their own. */
  policy: () => CallerPolicy
  warn: (message: string, cause: unknown) => void
}

/** How often the registry checks whether another process has changed keys, and how often it reads all keys anyway. */
const checkEveryMs = 400
const rereadEveryMs = 30_000
/** How long known keys stay usable while the database is away. */
const trustedMs = 60_000

interface KnownKey {
  row: KeyRow
  caller: Caller
  /** The default policy that the caller was made with. */
  policy: CallerPolicy
}

export async function createKeyRegistry({ store, clock, policy, warn }: RegistryOptions): Promise<KeyRegistry> {
  let byHash = new Map<string, KnownKey>()
  let withBudgets = new Set<string>()
  let version = Number.NaN
  // A later refresh may finish before an earlier one.
  let begun = 0
  let newest = 0
  let readAt = clock.monotonic()
  // When the database last answered.
  let seenAt = readAt
  let isAway = false
  let isFailing = false
  let isClosed = false
  const uses = createKeyUses(store, clock)
  await retryAtStart(refresh, clock)
  let stopChecks = clock.after(checkEveryMs, check)

  return {
    callerOf(secret) {
      if (!secret.startsWith(issuedPrefix)) return undefined
      const known = byHash.get(hashOf(secret))
      // A new key may not be read yet, so its holder should try again. A key that was disabled meanwhile must not work
      // for ever.
      if (isAway && (known === undefined || clock.monotonic() - seenAt >= trustedMs)) throw unavailable()
      if (known === undefined)
        throw refusal('invalid_api_key', 'This gateway has no such key: it was deleted or replaced, or never existed.')
      return usable(known)
    },
    callerOfId(id) {
      const known = byHash.values().find(({ row }) => row.id === id)
      if (isAway && (known === undefined || clock.monotonic() - seenAt >= trustedMs)) throw unavailable()
      return known && usable(known)
    },
    refresh,
    async close() {
      isClosed = true
      stopChecks()
      await uses.close().catch((cause) => warn('when keys were last used could not be stored', cause))
    },
  }

  function usable(known: KnownKey): Caller {
    const { row } = known
    if (row.disabled)
      throw refusal('key_disabled', 'This key is disabled. Whoever runs this gateway can enable it again.')
    const now = clock.now()
    if (row.expiresAt !== undefined && now >= row.expiresAt)
      throw refusal('key_expired', `This key has expired at ${new Date(row.expiresAt).toISOString()}.`)
    uses.record(row.id, now)
    const current = policy()
    if (known.policy !== current) {
      known.policy = current
      known.caller = callerWith(row, current)
    }
    return known.caller
  }

  async function refresh(): Promise<void> {
    const number = ++begun
    // Read before the keys, so that the next check finds a change that is made in between.
    const found = await store.version()
    const budgets = await store.budgets()
    const rows = await store.keys()
    // A refresh that began later has newer rows, in which a key may be disabled.
    if (number < newest) return
    newest = number
    withBudgets = new Set(budgets.map(({ key }) => key))
    const current = policy()
    byHash = new Map(rows.map((row) => [row.hash, { row, caller: callerWith(row, current), policy: current }]))
    version = found
    readAt = clock.monotonic()
  }

  function check(): void {
    const work = async () => {
      const isDue = clock.monotonic() - readAt >= rereadEveryMs
      if (isDue || (await store.version()) !== version) await refresh()
      isFailing = false
      isAway = false
      seenAt = clock.monotonic()
      uses.storeIfDue()
    }
    work()
      .catch((cause) => {
        isAway = cause instanceof DatabaseError && (cause.problem === 'away' || cause.problem === 'late')
        if (!isFailing) warn('the keys could not be looked up; those that are known stay in use', cause)
        isFailing = true
      })
      .finally(() => {
        if (!isClosed) stopChecks = clock.after(checkEveryMs, check)
      })
  }

  function callerWith({ id, name, rules }: KeyRow, { requests, tokens }: CallerPolicy): Caller {
    const { models, upstreams, dialects, mcpServers, rpm, tpm, parallel } = readRules(rules)
    return {
      keyId: id,
      label: name,
      scope: ['openai', 'anthropic'],
      isIssued: true,
      policy: {
        models,
        upstreams,
        dialects,
        mcpServers,
        requests: rpm === undefined ? requests : { perMinute: rpm, setting: 'rpm' },
        tokens: tpm === undefined ? tokens : { perMinute: tpm, setting: 'tpm' },
        parallel,
        hasBudgets: withBudgets.has(id),
      },
    }
  }
}

function unavailable(): GatewayError {
  return new GatewayError(
    'overloaded',
    'The database of this gateway cannot be reached, so this key cannot be checked now. Try again soon.',
    { code: 'keys_unavailable', retryAfterMs: 2_000 },
  )
}

function refusal(code: string, message: string): GatewayError {
  return new GatewayError('unauthorized', message, { code })
}

/** The stored rules. A newer version of this program may have stored members that this one does not know. */
export function readRules(text: string): Omit<KeyRules, 'budgets'> {
  const rules = parseJson(text)
  return isRecord(rules) ? rules : {}
}
