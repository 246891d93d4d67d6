import { systemClock } from '../../async/system-clock.ts'
import { stateFolder } from '../../config/folders.ts'
import type { Config } from '../../config/load.ts'
import { builtInUpstreams } from '../../config/upstream-rows.ts'
import { printable, UsageError } from '../../config/usage-error.ts'
import { GatewayError } from '../../core/errors.ts'
import { DatabaseError } from '../../database/errors.ts'
import { ForeignFileError } from '../../database/file-ownership.ts'
import { openDatabase } from '../../database/open.ts'
import type { Database } from '../../database/sql.ts'
import { dialects } from '../../dialects/index.ts'
import { amountText } from '../../keys/budget.ts'
import { type CreatedKey, createKeys, type Keys } from '../../keys/index.ts'
import type { BudgetView, KeyView } from '../../keys/view.ts'
import { modelTable } from '../../models/table.ts'
import { createKeyStore } from '../../store/keys.ts'
import { plansForOne } from '../../upstreams/billing.ts'
import { upstreamKinds } from '../../upstreams/index.ts'
import type { Io } from '../io.ts'
import type { KeyInvocation } from '../key-actions.ts'
import { noteUnknownKey } from '../key-reach.ts'

/**
 * Changes the keys in the database of the configuration. A server that uses the same database sees it within a second.
 * Resolves with the exit code. Errors: UsageError for what cannot be set, and where there is no database to change.
 */
export async function key(config: Config, io: Io, options: KeyInvocation & { json: boolean }): Promise<number> {
  const database = await openedFor(config, io)
  try {
    const keys = createKeys({
      store: createKeyStore(database),
      now: systemClock.now,
      random: (bytes) => crypto.getRandomValues(bytes),
      dialects: dialects.map(({ id }) => id),
      // A server that uses the same database may have other upstreams than this configuration.
      upstreams: () => [...new Set([...config.upstreams.map(({ id }) => id), ...builtInUpstreams])],
      table: () => modelTable(config.models),
    })
    await act(keys, config, io, options)
    return 0
  } catch (thrown) {
    if (thrown instanceof DatabaseError) {
      io.stderr(`zai2api: ${thrown.message}; this was not done\n`)
      return 1
    }
    if (!(thrown instanceof GatewayError)) throw thrown
    if (thrown.kind !== 'not-found') throw new UsageError(flagOf(thrown))
    io.stderr(`zai2api: ${thrown.message} zai2api key list shows all.\n`)
    return 1
  } finally {
    await database.close()
  }
}

/** The key's upstreams that are missing in this configuration. The configuration of a server may have them. */
function noteUpstreams(config: Config, { upstreams = [] }: KeyView, io: Io): void {
  const others = upstreams.filter((wanted) => !config.upstreams.some(({ id }) => id === wanted))
  if (others.length === 0) return
  io.stderr(
    `zai2api: this configuration does not have ${others.join(', ')}: the key is of use with a gateway that does\n`,
  )
}

/** The notice for an operator who creates a key whose requests may be answered on a plan. */
function noteAboutPlan(config: Config, { name, upstreams }: CreatedKey, io: Io): void {
  const plans = plansForOne(config, upstreamKinds).filter((id) => upstreams?.includes(id) ?? true)
  if (plans.length === 0) return
  const others = config.upstreams.map(({ id }) => id).filter((id) => !plans.includes(id))
  const way =
    others.length === 0
      ? ''
      : ` If somebody else is to use it: zai2api key limit ${printable(name)} --upstreams ${others.join(',')}`
  io.stderr(
    `zai2api: Z.AI's coding plan (${plans.join(', ')}) is for one person and for the tools that it supports; sharing it through keys for others may cost the account. The general API has no such rule.${way}\n`,
  )
}

async function act(
  keys: Keys,
  config: Config,
  io: Io,
  { action, key = '', members, json }: KeyInvocation & { json: boolean },
): Promise<void> {
  switch (action) {
    case 'list': {
      const all = await keys.list()
      return io.stdout(json ? lines({ keys: all }) : table(all))
    }
    case 'create': {
      const created = await keys.create(members)
      io.stdout(json ? lines(created) : withSecret(created))
      noteUnpriced(keys, created, io)
      noteUpstreams(config, created, io)
      noteAboutPlan(config, created, io)
      return await noteUnknownKey(config, io, created.secret)
    }
    case 'rotate': {
      const rotated = await keys.rotate(key)
      io.stdout(json ? lines(rotated) : withSecret(rotated))
      return await noteUnknownKey(config, io, rotated.secret)
    }
    case 'limit': {
      const changed = await keys.change(key, members)
      io.stdout(json ? lines(changed) : page(changed))
      noteUpstreams(config, changed, io)
      return noteUnpriced(keys, changed, io)
    }
    case 'delete': {
      const deleted = await keys.delete(key)
      return io.stdout(json ? lines(deleted) : `Deleted ${deleted.name} (${deleted.prefix}…).\n`)
    }
    default: {
      const shown = await changed(keys, action, key)
      return io.stdout(json ? lines(shown) : page(shown))
    }
  }
}

function changed(keys: Keys, action: 'show' | 'disable' | 'enable' | 'reset', key: string): Promise<KeyView> {
  if (action === 'show') return keys.show(key)
  return action === 'reset' ? keys.reset(key) : keys.change(key, { disabled: action === 'disable' })
}

/** Errors: UsageError if the keys would only be kept in memory, and so be lost when this process ends. */
async function openedFor(config: Config, io: Io): Promise<Database> {
  const folder = stateFolder(io.env)
  const isInMemory = config.databaseUrl === 'memory' || (config.databaseUrl === undefined && folder === undefined)
  const why =
    config.databaseUrl === 'memory' ? 'DATABASE_URL is memory' : 'neither HOME nor STATE_DIRECTORY is set for its file'
  if (isInMemory) throw new UsageError(`zai2api key needs a database that lasts, and ${why}; ${ofTheServer}`)
  let failure: string | undefined
  const database = await openDatabase({
    url: config.databaseUrl,
    folder,
    clock: systemClock,
    warn: (message: string) => {
      failure ??= message
    },
    isLasting: true,
  }).catch((thrown) => {
    if (thrown instanceof ForeignFileError) throw new UsageError(thrown.message)
    throw new UsageError(`${thrown instanceof Error ? thrown.message : thrown}; ${ofTheServer}`)
  })
  if (failure !== undefined) io.stderr(`zai2api: ${failure}\n`)
  return database
}

const ofTheServer = 'keys of a running server are made on its page, or with POST /admin/api/keys'

/** The error about a member, as the flag that sets it. */
function flagOf({ message, param }: GatewayError): string {
  const flag = { budgets: 'budget', expires_at: 'expires' }[param ?? ''] ?? param
  const text = flag === undefined ? message : message.replace(`${param}: `, `--${flag}: `)
  return param === 'upstreams' ? `${text}; for a server with other settings, name its file with --config` : text
}

function noteUnpriced(keys: Keys, view: KeyView, io: Io): void {
  const models = keys.unpriced(view)
  if (models.length > 0)
    io.stderr(
      `zai2api: ${models.join(', ')}: the price is not known, so this key is refused there; set it in [[models]] of zai2api.toml\n`,
    )
}

function lines(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

/** The prefix is left out, so that a search for `z2a_` in this text finds only the secret. */
function withSecret({ secret, ...view }: CreatedKey): string {
  return `${page(view, printable(view.name))}\nThe secret, which is shown only now:\n${secret}\n`
}

function page(view: KeyView, title = `${printable(view.name)} (${view.prefix}…)`): string {
  const rows = [
    ['Key', `${title}, ${stateText[view.state]}`],
    ['Id', view.id],
    ['Models', view.models?.join(', ') ?? 'all'],
    ['Upstreams', view.upstreams?.join(', ') ?? 'all'],
    ['APIs', view.dialects?.join(', ') ?? 'all'],
    ...(view.mcp_servers === undefined ? [] : [['MCP', view.mcp_servers.join(', ') || 'off']]),
    ['Limits', limitsOf(view)],
    ...(view.budgets.length === 0 ? [['Budget', 'none']] : view.budgets.map((budget) => ['Budget', budgetOf(budget)])),
    ['Created', time(view.created_at)],
    ['Expires', view.expires_at === undefined ? 'never' : time(view.expires_at)],
    ['Last used', view.last_used_at === undefined ? 'never' : time(view.last_used_at)],
  ]
  return rows.map(([name = '', value = '']) => `${name.padEnd(10)} ${value}\n`).join('')
}

function table(views: readonly KeyView[]): string {
  if (views.length === 0) return 'There are no keys yet: zai2api key create --name NAME makes one.\n'
  const rows = [
    ['NAME', 'PREFIX', 'STATE', 'MODELS', 'LIMITS', 'BUDGET', 'LAST USED'],
    ...views.map((view) => [
      printable(view.name),
      `${view.prefix}…`,
      stateText[view.state],
      view.models?.join(',') ?? 'all',
      limitsOf(view),
      view.budgets.map(budgetOf).join('; ') || 'none',
      view.last_used_at === undefined ? 'never' : time(view.last_used_at),
    ]),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

const stateText: Record<KeyView['state'], string> = {
  active: 'active',
  disabled: 'disabled',
  expired: 'expired',
  used_up: 'used up',
  warning: 'over 80 %',
}

function limitsOf({ rpm, tpm, parallel }: KeyView): string {
  const limits = [
    rpm === undefined ? [] : [`${rpm} rpm`],
    tpm === undefined ? [] : [`${tpm} tpm`],
    parallel === undefined ? [] : [`${parallel} at a time`],
  ]
  return limits.flat().join(', ') || 'none'
}

/** `$6.41 of $20 a month, resets 2026-12-01 00:00 UTC` */
function budgetOf({ unit, limit, window, spent, reserved, resets_at }: BudgetView): string {
  const held = reserved > 0 ? ` and ${amountText(unit, reserved)} reserved` : ''
  const resets = resets_at === undefined ? '' : `, resets ${time(resets_at)}`
  return `${amountText(unit, spent)}${held} of ${amountText(unit, limit)} / ${window}${resets}`
}

function time(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
