import { type Static, Type } from '@sinclair/typebox'
import { amount, count, instant, optional, word } from './units.ts'

const units = ['usd', 'tokens', 'credits'] as const

/** What a key may spend in a window, and what it has spent. */
export const Budget = Type.Object({
  unit: word(units),
  limit: amount(),
  window: Type.String({ description: '`5h` or another number of hours, `day`, `week`, `month` or `total`; in UTC.' }),
  spent: amount(),
  reserved: amount('By requests under way.'),
  left: amount(),
  resets_at: optional(instant('Absent where it does not reset, or where its hours have not begun.')),
})
export type Budget = Static<typeof Budget>

const rules = {
  models: optional(Type.Array(Type.String(), { description: 'Names, with `*` for any run of characters.' })),
  upstreams: optional(Type.Array(Type.String(), { description: 'Ids of upstreams that its requests may go to.' })),
  dialects: optional(Type.Array(Type.String())),
  mcp_servers: optional(Type.Array(Type.String(), { description: 'Hosts or addresses; no server if it is empty.' })),
  rpm: optional(count('Requests a minute.')),
  tpm: optional(count('Tokens a minute.')),
  parallel: optional(count('Requests at a time.')),
}

/** A key of a client, without its secret. */
export const KeyView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    prefix: Type.String({ description: 'The beginning of the secret, by which its holder knows it.' }),
    created_at: instant(),
    expires_at: optional(instant()),
    disabled: Type.Boolean(),
    ...rules,
    budgets: Type.Array(Budget),
    last_used_at: optional(instant()),
    state: word(['active', 'disabled', 'expired', 'used_up', 'warning']),
  },
  { $id: 'KeyView' },
)
export type KeyView = Static<typeof KeyView>

/** The secret is in no other response. */
export const KeyWithSecret = Type.Composite([KeyView, Type.Object({ secret: Type.String() })])
export type KeyWithSecret = Static<typeof KeyWithSecret>

export const KeyList = Type.Object({ keys: Type.Array(KeyView) })
export type KeyList = Static<typeof KeyList>

const budgets = Type.Array(
  Type.Union([Type.String(), Type.Object({ unit: word(units), limit: amount(), window: Type.String() })]),
  { description: 'As text, `usd:20/month`, `tokens:2m/day`, `credits:500/5h`, or as objects.' },
)

const settable = { ...rules, budgets: optional(budgets), expires_at: optional(instant()) }

export const NewKey = Type.Object({ name: Type.String({ minLength: 1, maxLength: 64 }), ...settable })
export type NewKey = Static<typeof NewKey>

/** What a million tokens of a model cost, in dollars and in credits at peak hours, as far as that is known. */
export const ModelPrice = Type.Object({
  model: Type.String(),
  unit: word(['usd', 'credits']),
  input: amount(),
  cached: amount(),
  output: amount(),
})
export const Prices = Type.Object({
  prices: Type.Array(ModelPrice),
  models: Type.Array(Type.String(), { description: 'All that something is known of, newest first.' }),
})
export type Prices = Static<typeof Prices>

/** `null` takes a limit away. */
export const KeyChange = Type.Partial(
  Type.Object({
    name: Type.String({ minLength: 1, maxLength: 64 }),
    disabled: Type.Boolean(),
    models: Type.Union([Type.Array(Type.String()), Type.Null()]),
    upstreams: Type.Union([Type.Array(Type.String()), Type.Null()]),
    dialects: Type.Union([Type.Array(Type.String()), Type.Null()]),
    mcp_servers: Type.Union([Type.Array(Type.String()), Type.Null()]),
    rpm: Type.Union([count(), Type.Null()]),
    tpm: Type.Union([count(), Type.Null()]),
    parallel: Type.Union([count(), Type.Null()]),
    budgets: Type.Union([budgets, Type.Null()]),
    expires_at: Type.Union([instant(), Type.Null()]),
  }),
)
export type KeyChange = Static<typeof KeyChange>
