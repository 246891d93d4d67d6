import { invalidField } from '../core/errors.ts'
import { findIssuedKeys } from '../core/issued-keys.ts'
import { isRecord } from '../core/json.ts'
import { isMcpAddress } from '../core/mcp-address.ts'
import { truncate } from '../core/truncate.ts'
import { visibleName } from '../core/visible-name.ts'
import { type BudgetRule, budgetText, checkedBudget, readAmount, readBudget } from './budget.ts'

/** What a key may do. An absent member means no limit. */
export interface KeyRules {
  models?: string[]
  /** Ids of upstreams. */
  upstreams?: string[]
  /** Ids of dialects. */
  dialects?: string[]
  /** Addresses of MCP servers, in the form of MCP_SERVERS. An empty list allows no server. */
  mcpServers?: string[]
  /** Requests and tokens per minute, and requests at the same time. */
  rpm?: number
  tpm?: number
  parallel?: number
  budgets: readonly BudgetRule[]
}

/** The members of a key to change. `null` removes a limit; an absent member stays as it is. */
export interface KeyChange {
  name?: string
  models?: string[] | null
  upstreams?: string[] | null
  dialects?: string[] | null
  mcpServers?: string[] | null
  rpm?: number | null
  tpm?: number | null
  parallel?: number | null
  budgets?: readonly BudgetRule[] | null
  /** Epoch milliseconds. */
  expiresAt?: number | null
  disabled?: boolean
}

export interface ChangeContext {
  now: number
  /** Ids of all dialects. */
  dialects: readonly string[]
  /** Ids of the upstreams that are configured. */
  upstreams: readonly string[]
}

/** The members by the names that the HTTP API and the command line use. */
const readers = {
  name: (value, field) => ({ name: nameOf(value, field) }),
  models: (value, field) => ({ models: listOf(value, field) }),
  upstreams: (value, field, context) => ({ upstreams: upstreamsOf(value, field, context) }),
  dialects: (value, field, context) => ({ dialects: dialectsOf(value, field, context) }),
  mcp_servers: (value, field) => ({ mcpServers: serversOf(value, field) }),
  'mcp-servers': (value, field) => ({ mcpServers: serversOf(value, field) }),
  rpm: (value, field) => ({ rpm: countOf(value, field) }),
  tpm: (value, field) => ({ tpm: countOf(value, field) }),
  parallel: (value, field) => ({ parallel: countOf(value, field) }),
  budgets: (value, field) => ({ budgets: budgetsOf(value, field) }),
  budget: (value, field) => ({ budgets: budgetsOf(value, field) }),
  expires_at: (value, field, context) => ({ expiresAt: expiryOf(value, field, context) }),
  expires: (value, field, context) => ({ expiresAt: expiryOf(value, field, context) }),
  disabled: (value, field) => ({ disabled: booleanOf(value, field) }),
} satisfies Record<string, (value: unknown, field: string, context: ChangeContext) => KeyChange>

const maxName = 64
const maxEntries = 100
const maxEntry = 200
const maxCount = 1e12

/**
 * Reads members from the HTTP API or the command line: JSON values, or texts such as `60`, `200k`, `glm-4.*,glm-5.3`,
 * `usd:20/month` and `2027-01-31`. `none` and null remove a limit.
 *
 * Errors: `invalid-request`, naming the member.
 */
export function readKeyChange(members: unknown, context: ChangeContext): KeyChange {
  if (!isRecord(members)) throw invalidField('body', 'expected an object such as {"name": "ci"}')
  const change: KeyChange = {}
  for (const [field, value] of Object.entries(members)) {
    if (!isMember(field)) throw invalidField(field, `unknown; a key has ${Object.keys(readers).join(', ')}`)
    Object.assign(change, readers[field](value, field, context))
  }
  return change
}

function isMember(field: string): field is keyof typeof readers {
  return Object.hasOwn(readers, field)
}

/**
 * A name must not look like an id, a secret or the label of the gateway's own callers, because it would be taken for
 * one.
 */
const takenNames = /^(?:key_|z2a_|(?:auth_token|admin_token|anthropic_api_key|local|anonymous|master)$)/i

function nameOf(value: unknown, field: string): string {
  const name = typeof value === 'string' ? visibleName(value, maxName) : undefined
  if (name === undefined) throw invalidField(field, `expected 1 to ${maxName} characters that can be seen`)
  if (takenNames.test(name))
    throw invalidField(field, 'this is how the gateway itself names keys and callers; choose another name')
  rejectSecret(name, field)
  return name
}

/** The name is stored, listed and logged as plain text. */
function rejectSecret(text: string, field: string): void {
  if (findIssuedKeys(text).length > 0)
    throw invalidField(field, 'holds the secret of a key, which everybody who sees the list of keys could then use')
}

function isNone(value: unknown): boolean {
  return value === null || value === 'none'
}

function listOf(value: unknown, field: string): string[] | null {
  if (isNone(value)) return null
  const entries = typeof value === 'string' ? value.split(/[\s,]+/).filter((entry) => entry !== '') : value
  const isList = Array.isArray(entries) && entries.length > 0 && entries.length <= maxEntries
  if (!isList || !entries.every(isEntry))
    throw invalidField(field, `expected 1 to ${maxEntries} names without spaces, or none for no limit`)
  for (const entry of entries) rejectSecret(entry, field)
  return [...new Set(entries)]
}

function isEntry(entry: unknown): entry is string {
  return typeof entry === 'string' && entry.length <= maxEntry && /^[\x21-\x7e]+$/.test(entry)
}

function upstreamsOf(value: unknown, field: string, { upstreams }: ChangeContext): string[] | null {
  const wanted = listOf(value, field)
  const unknown = wanted?.find((id) => !upstreams.includes(id))
  if (unknown === undefined) return wanted
  throw invalidField(
    field,
    `there is no upstream ${JSON.stringify(truncate(unknown))} here; expected some of ${upstreams.join(', ')}`,
  )
}

/** `openai` stands for all dialects of OpenAI, and `anthropic` for those of Anthropic. */
function dialectsOf(value: unknown, field: string, { dialects }: ChangeContext): string[] | null {
  const wanted = listOf(value, field)
  if (wanted === null) return null
  const found = wanted.flatMap((word) => {
    const meant = dialects.filter((id) => id === word || id.startsWith(`${word}-`))
    if (meant.length === 0) throw invalidField(field, `expected some of ${dialects.join(', ')}, or openai or anthropic`)
    return meant
  })
  return [...new Set(found)]
}

/** `off` allows no server. */
function serversOf(value: unknown, field: string): string[] | null {
  if (value === 'off' || (Array.isArray(value) && value.length === 0)) return []
  const servers = listOf(value, field)
  const unknown = servers?.find((entry) => !isMcpAddress(entry))
  if (unknown === undefined) return servers
  throw invalidField(
    field,
    `${unknown} is not *, a host such as mcp.example.com or an address such as https://mcp.example.com/mcp`,
  )
}

function countOf(value: unknown, field: string): number | null {
  if (isNone(value)) return null
  const count = typeof value === 'string' ? readAmount(value) : value
  if (typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= maxCount) return count
  throw invalidField(field, 'expected a whole number, 1 or more, as in 60 or 200k, or none for no limit')
}

function budgetsOf(value: unknown, field: string): BudgetRule[] | null {
  if (isNone(value)) return null
  const entries: unknown = typeof value === 'string' ? value.split(',') : value
  if (!Array.isArray(entries)) throw invalidField(field, 'expected a list of budgets, or none')
  const budgets = entries.map((entry: unknown, index) => {
    const read =
      typeof entry === 'string'
        ? readBudget(entry)
        : isRecord(entry)
          ? checkedBudget(entry.unit, entry.limit, entry.window)
          : 'expected usd:20/month, or an object with unit, limit and window'
    if (typeof read !== 'string') return read
    throw invalidField(typeof value === 'string' ? field : `${field}.${index}`, read)
  })
  const spans = budgets.map(({ unit, window }) => `${unit} a ${window}`)
  const doubled = spans.find((span, index) => spans.indexOf(span) !== index)
  if (doubled !== undefined) throw invalidField(field, `there are two budgets of ${doubled}; one is enough`)
  if (budgets.length > 8) throw invalidField(field, 'expected at most 8 budgets')
  return budgets.sort((one, other) => (budgetText(one) < budgetText(other) ? -1 : 1))
}

const relative = /^(\d{1,5})(h|d)$/
const hourMs = 3_600_000
/** The last instant whose year has four digits. `Date` has no dates for much larger numbers. */
const lastInstant = Date.UTC(10_000, 0) - 1

/** A date without a time means the beginning of that day. Times without a zone are in UTC. */
function expiryOf(value: unknown, field: string, { now }: ChangeContext): number | null {
  if (isNone(value) || value === 'never') return null
  const at = typeof value === 'string' ? instantOf(value, now) : value
  if (typeof at !== 'number' || !Number.isInteger(at) || at < 0 || at > lastInstant)
    throw invalidField(field, 'expected a date such as 2027-01-31 or 2027-01-31T18:00Z, a span such as 30d, or never')
  if (at <= now) throw invalidField(field, `${new Date(at).toISOString()} is over already`)
  return at
}

function instantOf(text: string, now: number): number | undefined {
  const [, count, unit] = relative.exec(text) ?? []
  if (count !== undefined) return now + Number(count) * (unit === 'd' ? 24 : 1) * hourMs
  const [date, day, time, zone] =
    /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? []
  if (date === undefined || day === undefined || (time === undefined && zone !== undefined)) return undefined
  const midnight = Date.parse(`${day}T00:00Z`)
  // `Date` turns the 30th of February into a day of March.
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return undefined
  const at = time === undefined ? midnight : Date.parse(`${day}${time}${zone ?? 'Z'}`)
  return Number.isNaN(at) ? undefined : at
}

function booleanOf(value: unknown, field: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalidField(field, 'expected true or false')
}
