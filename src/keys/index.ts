import { GatewayError, invalidField } from '../core/errors.ts'
import { truncate } from '../core/truncate.ts'
import type { ModelTable } from '../models/table.ts'
import type { BudgetRow } from '../store/budget-rows.ts'
import type { KeyRow, KeyStore } from '../store/keys.ts'
import { atomsOf } from './budget.ts'
import { type ChangeContext, type KeyChange, type KeyRules, readKeyChange } from './change.ts'
import { allowedModels, isPriced, type ModelPrice, pricesIn, rejectUnpriced } from './model-prices.ts'
import { readRules } from './registry.ts'
import { hashOf, newKeyId, newSecret, prefixOf, type RandomBytes } from './secret.ts'
import { type KeyView, keyView } from './view.ts'

/** A new key with its secret, which is shown only this once. */
export interface CreatedKey extends KeyView {
  secret: string
}

/**
 * The operator's actions on keys, for the command line and the HTTP API. A key is given by its id, its name or the
 * beginning of its secret. Errors: `not-found` for a key that does not exist; `invalid-request`, naming the member, for
 * what cannot be set.
 */
export interface Keys {
  list(): Promise<KeyView[]>
  show(key: string): Promise<KeyView>
  /** `members` has the form that `readKeyChange` reads. */
  create(members: unknown): Promise<CreatedKey>
  change(key: string, members: unknown): Promise<KeyView>
  /** Replaces the secret. The old one is refused from now on. */
  rotate(key: string): Promise<CreatedKey>
  /** Sets what its budgets have spent to zero. */
  reset(key: string): Promise<KeyView>
  delete(key: string): Promise<KeyView>
  /** The known prices of a million tokens of each model. Credits are those of peak hours. */
  prices(): ModelPrice[]
  /** The models in the model table, newest first, including those without a price. */
  models(): string[]
  /** Models that a key may use by its rules, but that its budgets refuse because their price is unknown. */
  unpriced(view: KeyView): string[]
}

export interface KeysOptions {
  store: KeyStore
  now: () => number
  random: RandomBytes
  /** Ids of all dialects. */
  dialects: readonly string[]
  /** Ids of all upstreams. A function, like `table`, because the configuration may change. */
  upstreams: () => readonly string[]
  table: () => ModelTable
  /** Called after each change, before its promise resolves: `created`, `changed`, `rotated`, `reset`, `deleted`. */
  onChange?: (action: string, key: { id: string; name: string }) => Promise<void>
}

export function createKeys(options: KeysOptions): Keys {
  const { store, now, random, dialects, upstreams, table, onChange = async () => {} } = options

  return {
    async list() {
      const [rows, budgets, at] = [await store.keys(), await store.budgets(), now()]
      const ofKeys = Map.groupBy(budgets, ({ key }) => key)
      return rows.map((row) => keyView(row, ofKeys.get(row.id) ?? [], at))
    },
    show: async (key) => view(await find(key)),
    async create(members) {
      const at = now()
      const { name, expiresAt, disabled = false, ...rules } = readKeyChange(members, contextAt(at))
      if (name === undefined) throw invalidField('name', 'a key needs a name: who or what uses it')
      const secret = newSecret(random)
      const row: KeyRow = {
        ...{ id: newKeyId(at, random), name, prefix: prefixOf(secret), hash: hashOf(secret), disabled, createdAt: at },
        ...(expiresAt == null ? {} : { expiresAt }),
        rules: '',
      }
      const created = await put('created', (rows) => {
        rejectTaken(rows, name)
        return { row, rules: merged({ budgets: [] }, rules) }
      })
      return { ...created, secret }
    },
    change: (key, members) =>
      put('changed', (rows, rulesOf) => {
        const row = findIn(rows, key)
        const {
          name = row.name,
          expiresAt,
          disabled = row.disabled,
          ...rules
        } = readKeyChange(members, contextAt(now()))
        if (name !== row.name) rejectTaken(rows, name)
        const { expiresAt: before, ...rest } = row
        const expires = expiresAt === undefined ? before : expiresAt
        const changed: KeyRow = { ...rest, name, disabled, ...(expires == null ? {} : { expiresAt: expires }) }
        return { row: changed, rules: merged(rulesOf(row), rules) }
      }),
    async rotate(key) {
      const secret = newSecret(random)
      const rotated = await put('rotated', (rows, rulesOf) => {
        const row = findIn(rows, key)
        return { row: { ...row, prefix: prefixOf(secret), hash: hashOf(secret) }, rules: rulesOf(row) }
      })
      return { ...rotated, secret }
    },
    async reset(key) {
      const row = await find(key)
      await store.reset(row.id)
      await onChange('reset', row)
      return await view(row)
    },
    async delete(key) {
      const row = await find(key)
      const last = await view(row)
      if (!(await store.remove(row.id, now()))) throw notFound(key)
      await onChange('deleted', row)
      return last
    },
    prices: () => pricesIn(table()),
    models: () => table().named.map(({ id }) => id),
    unpriced({ models, budgets }) {
      const [known, at] = [table(), now()]
      return allowedModels(known, models).filter((name) => budgets.some(({ unit }) => !isPriced(known, unit, name, at)))
    },
  }

  function contextAt(at: number): ChangeContext {
    return { now: at, dialects, upstreams: upstreams() }
  }

  async function find(key: string): Promise<KeyRow> {
    return findIn(await store.keys(), key)
  }

  async function view(row: KeyRow): Promise<KeyView> {
    return keyView(row, await store.budgets(row.id), now())
  }

  /** `decide` gets all keys as they are at the time of writing. It may be called more than once. */
  async function put(action: string, decide: Decide): Promise<KeyView> {
    const stored = await store.put((rows, before) => {
      const { row, rules: wanted } = decide(rows, (row) => rulesOf(row, before))
      const { budgets, ...rules } = wanted
      rejectUnpriced(table(), budgets, rules.models, now())
      return {
        key: { ...row, rules: JSON.stringify(rules) },
        budgets: budgets.map(({ unit, limit, window }) => ({
          ...{ id: `${row.id}/${unit}/${window}`, unit, window },
          limit: Math.round(limit * atomsOf[unit]),
        })),
      }
    })
    await onChange(action, stored)
    return await view(stored)
  }
}

type Decide = (rows: readonly KeyRow[], rulesOf: (row: KeyRow) => KeyRules) => { row: KeyRow; rules: KeyRules }

/** An id belongs to one key. A name or prefix that two keys have is an error. */
function findIn(rows: readonly KeyRow[], key: string): KeyRow {
  const byId = rows.find(({ id }) => id === key)
  if (byId !== undefined) return byId
  const [found, another] = rows.filter(({ name, prefix }) => isSameName(name, key) || prefix === key)
  if (found === undefined) throw notFound(key)
  if (another !== undefined)
    throw invalidField('key', `${JSON.stringify(truncate(key))} may mean ${found.id} or ${another.id}: give the id`, {
      code: 'key_ambiguous',
      status: 409,
    })
  return found
}

/** Names of older keys may not be in Unicode's composed form. */
function isSameName(one: string, other: string): boolean {
  return one.normalize('NFC') === other.normalize('NFC')
}

function rejectTaken(rows: readonly KeyRow[], name: string): void {
  if (rows.some((row) => isSameName(row.name, name)))
    throw invalidField('name', 'there is a key of this name already', { code: 'name_taken', status: 409 })
}

function rulesOf(row: KeyRow, all: readonly BudgetRow[]): KeyRules {
  const budgets = all.filter(({ key }) => key === row.id)
  return {
    ...readRules(row.rules),
    budgets: budgets.map(({ unit, limit, window }) => ({ unit, limit: limit / atomsOf[unit], window })),
  }
}

function notFound(key: string): GatewayError {
  const shown = key.slice(0, 10)
  return new GatewayError(
    'not-found',
    `There is no key ${JSON.stringify(key.length > shown.length ? `${shown}…` : shown)}.`,
    {
      code: 'key_not_found',
    },
  )
}

/** `null` removes a limit. Members that the change does not name stay. */
function merged(
  { budgets, ...before }: KeyRules,
  change: Omit<KeyChange, 'name' | 'expiresAt' | 'disabled'>,
): KeyRules {
  const { budgets: changed = budgets, ...limits } = change
  const all = Object.entries({ ...before, ...limits }).filter(([, value]) => value !== null && value !== undefined)
  return { ...Object.fromEntries(all), budgets: changed ?? [] }
}
