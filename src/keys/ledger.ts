import type { Caller } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { Usage } from '../core/events.ts'
import type { Reservation, Spending, SpendingCall } from '../core/spending.ts'
import { type ModelTable, mostOutputTokens } from '../models/table.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { Extension } from '../store/budget-rows.ts'
import type { KeyStore } from '../store/keys.ts'
import type { BudgetUnit } from './budget.ts'
import { pricedModels, ratesOf, unknownPrice } from './price.ts'
import { type AtomRates, afford, unseenTokens } from './reservation-size.ts'
import { lifetimeMs, reservationUpkeep } from './reservation-upkeep.ts'

/** Reserves from the budgets of keys before calls are made, and settles the cost of the calls. */
export interface Ledger {
  /** The budgets of the caller of a request; `undefined` if it has none. */
  spendingOf(record: RequestRecord): Spending | undefined
  /** Call it once, when the request is over. Resolves when the cost of all its calls is stored. Never rejects. */
  settle(record: RequestRecord): Promise<void>
  /** Settles reservations of processes that ended without settling them. Never rejects. */
  sweep(): Promise<void>
  /** Resolves when everything is stored. */
  close(): Promise<void>
}

export interface LedgerOptions {
  store: KeyStore
  clock: Clock
  /** Called for each request, because the configuration may change. */
  table: () => ModelTable
  /** Called when a budget could not be written. */
  warn: (message: string, cause: unknown) => void
}

/** The reservations of one request. */
interface Account {
  /** When its first call was admitted. All its calls use the windows and prices of this moment. */
  admittedAt: number
  /** Reservations for calls that are not settled yet. */
  reservations: Set<OpenReservation>
  /** The number of all its calls, settled ones included. */
  made: number
}

interface OpenReservation extends Pick<Reservation, 'settle'> {
  id: string
  call: SpendingCall
  budgets: { id: string; rates: AtomRates; most: number }[]
}

export function createLedger({ store, clock, table, warn }: LedgerOptions): Ledger {
  const accounts = new Map<RequestRecord, Account>()
  // Requests that are over. A reservation that is made for one of them later is settled at once.
  const over = new WeakSet<RequestRecord>()
  const writing = new Set<Promise<void>>()
  const upkeep = reservationUpkeep({
    ...{ store, clock, warn },
    running: () => [...accounts.values()].flatMap(({ reservations }) => [...reservations].map(extensionOf)),
  })

  return {
    spendingOf(record) {
      if (!hasBudgets(record.caller)) return undefined
      return { reserve: (call) => reserve(record, call) }
    },
    settle(record) {
      const account = accounts.get(record)
      accounts.delete(record)
      over.add(record)
      if (account === undefined) return Promise.resolve()
      return Promise.all([...account.reservations].map(({ settle }) => settle())).then(() => {})
    },
    sweep: () =>
      upkeep.settleExpired().catch((cause) => warn('what ended processes have reserved could not be settled', cause)),
    async close() {
      upkeep.stop()
      await Promise.all(writing)
    },
  }

  async function reserve(record: RequestRecord, call: SpendingCall): Promise<Reservation> {
    const { model, prompt, isOpenEnded, maxTokens, longestReply, isEndedHere = false } = call
    const account = accountOf(record)
    const now = account.admittedAt
    const id = `${record.id}.${++account.made}`
    // A model whose longest reply is unknown may write as much as the longest of Z.AI's models.
    const wanted = Math.min(maxTokens ?? mostOutputTokens, model.maxOutputTokens ?? mostOutputTokens)
    const models = table()
    const facts = models.of(model.id)
    const rates = (unit: BudgetUnit) => {
      const known = ratesOf(unit, facts, now)
      if (known !== undefined) return known
      throw unknownPrice(unit, model.id, pricedModels(models, unit, record.caller.policy.models, now))
    }
    const { decision, budgets } = await store
      .reserve({ id, key: record.caller.keyId, expires: clock.now() + lifetimeMs }, (rows) =>
        afford(rows, rates, { prompt, isOpenEnded, reply: wanted, longestReply }, now),
      )
      .catch((thrown) => {
        throw thrown instanceof GatewayError ? thrown : unreachable(thrown)
      })
    const reserved: OpenReservation = {
      ...{ id, call },
      budgets: budgets.map((budget, index) => ({
        id: budget.id,
        rates: rates(budget.unit),
        most: decision.amounts[index]?.amount ?? 0,
      })),
      async settle() {
        if (account.reservations.delete(reserved)) await written(write(reserved))
      },
    }
    account.reservations.add(reserved)
    if (over.has(record)) await reserved.settle()
    const isUnlimited = maxTokens === undefined && (isEndedHere || model.maxOutputTokens === undefined)
    const isLimited = decision.reply < wanted || isUnlimited
    return { maxTokens: isLimited ? decision.reply : maxTokens, settle: reserved.settle }
  }

  function accountOf(record: RequestRecord): Account {
    const account = accounts.get(record) ?? { admittedAt: clock.now(), reservations: new Set(), made: 0 }
    if (!over.has(record)) accounts.set(record, account)
    return account
  }

  function write({ id, call, budgets }: OpenReservation): Promise<void> {
    const usage = call.meter.usage() ?? nothing
    const spent = new Map(
      budgets.map(({ id, rates, most }) => {
        const price = priceOf(usage, rates)
        return [id, call.isEndedHere ? Math.min(price, most) : price]
      }),
    )
    return store.settle(id, spent).catch((cause) => warn('what a request has cost could not be stored', cause))
  }

  /** Adds the work to what `close` waits for. */
  function written(work: Promise<void>): Promise<void> {
    const done: Promise<void> = work.then(() => {
      writing.delete(done)
    })
    writing.add(done)
    return done
  }

  function extensionOf({ id, call, budgets }: OpenReservation): Extension {
    const { inputTokens, outputTokens } = call.meter.usage() ?? { inputTokens: call.prompt.likely, outputTokens: 0 }
    const usage = { inputTokens, outputTokens: outputTokens + unseenTokens }
    const estimates = budgets.map((budget) => [budget.id, Math.min(budget.most, priceOf(usage, budget.rates))] as const)
    return { id, estimates: new Map(estimates) }
  }
}

function hasBudgets({ policy }: Caller): boolean {
  return policy.hasBudgets === true
}

const nothing: Usage = { inputTokens: 0, outputTokens: 0 }

/** The amount in atoms. */
function priceOf({ inputTokens, cachedInputTokens = 0, outputTokens }: Usage, rates: AtomRates): number {
  const cached = Math.min(cachedInputTokens, inputTokens)
  const price = Math.ceil((inputTokens - cached) * rates.input + cached * rates.cached + outputTokens * rates.output)
  // More than any budget has. PostgreSQL refuses what is above 2^63, and would count nothing.
  return Math.min(price, Number.MAX_SAFE_INTEGER)
}

function unreachable(cause: unknown): GatewayError {
  return new GatewayError(
    'overloaded',
    'The budget of this key cannot be looked up at this moment, so nothing is spent. Try again soon.',
    { code: 'budget_unavailable', retryAfterMs: 2_000, cause },
  )
}
