import type { Engine } from './sql.ts'

/**
 * The names of column types on each engine. Both compare text byte by byte. SQLite checks types only in strict tables.
 * On PostgreSQL, tables with frequent updates leave room in their pages, so that an update changes no index.
 */
const types = {
  sqlite: {
    text: 'TEXT',
    int: 'INTEGER',
    real: 'REAL',
    table: 'STRICT',
    busyTable: 'STRICT',
    newId: 'lower(hex(randomblob(16)))',
  },
  postgres: {
    text: 'text COLLATE "C"',
    int: 'bigint',
    real: 'double precision',
    table: '',
    busyTable: 'WITH (fillfactor = 50)',
    newId: 'gen_random_uuid()::text',
  },
}

/** Each is applied once, in this order. None is ever changed, because existing databases have it already. */
const migrations: readonly ((words: (typeof types)[Engine]) => string[])[] = [
  ({ text, int, real, table, busyTable }) => [
    `CREATE TABLE keys (
      id ${text} PRIMARY KEY,
      name ${text} NOT NULL,
      label ${text},
      prefix ${text} NOT NULL,
      hash ${text} NOT NULL UNIQUE,
      disabled ${int} NOT NULL DEFAULT 0,
      generation ${int} NOT NULL DEFAULT 0,
      rules ${text} NOT NULL,
      created ${int} NOT NULL,
      expires ${int},
      changed ${int} NOT NULL,
      last_used ${int}
    ) ${table}`,
    `CREATE TABLE budgets (
      id ${text} PRIMARY KEY,
      key ${text} NOT NULL,
      unit ${text} NOT NULL,
      lim ${int} NOT NULL,
      settled ${int} NOT NULL DEFAULT 0,
      reserved ${int} NOT NULL DEFAULT 0,
      window_start ${int} NOT NULL,
      window_ms ${int} NOT NULL,
      generation ${int} NOT NULL DEFAULT 0
    ) ${busyTable}`,
    'CREATE INDEX budgets_of_key ON budgets (key)',
    // A request reserves from each budget of its key, under the same id.
    `CREATE TABLE reservations (
      id ${text} NOT NULL,
      budget ${text} NOT NULL,
      amount ${int} NOT NULL,
      expires ${int} NOT NULL,
      PRIMARY KEY (id, budget)
    ) ${table}`,
    'CREATE INDEX reservations_of_budget ON reservations (budget)',
    'CREATE INDEX reservations_by_expiry ON reservations (expires)',
    // '' if a request had no model, upstream or client.
    `CREATE TABLE usage (
      hour ${int} NOT NULL,
      key ${text} NOT NULL,
      model ${text} NOT NULL,
      upstream ${text} NOT NULL,
      client ${text} NOT NULL,
      requests ${int} NOT NULL,
      errors ${int} NOT NULL,
      tokens_in ${int} NOT NULL,
      tokens_cached ${int} NOT NULL,
      tokens_out ${int} NOT NULL,
      tokens_reasoning ${int} NOT NULL,
      credits ${real},
      usd ${real},
      PRIMARY KEY (hour, key, model, upstream, client)
    ) ${busyTable}`,
    `CREATE TABLE requests (
      id ${text} NOT NULL,
      at ${int} NOT NULL,
      key ${text},
      model ${text},
      upstream ${text},
      client ${text},
      session ${text},
      agent ${text},
      status ${int},
      error ${text},
      ms ${int},
      first_ms ${int},
      tokens_in ${int},
      tokens_cached ${int},
      tokens_out ${int},
      tokens_reasoning ${int},
      credits ${real},
      usd ${real},
      meta ${text} NOT NULL,
      PRIMARY KEY (at, id)
    ) ${table}`,
    'CREATE INDEX requests_by_id ON requests (id)',
    'CREATE INDEX requests_of_session ON requests (session, at) WHERE session IS NOT NULL',
    `CREATE TABLE replies (
      id ${text} PRIMARY KEY,
      key ${text} NOT NULL,
      at ${int} NOT NULL,
      expires ${int} NOT NULL,
      bytes ${int} NOT NULL,
      reply ${text} NOT NULL,
      input ${text} NOT NULL
    ) ${table}`,
    'CREATE INDEX replies_by_age ON replies (at, bytes)',
    'CREATE INDEX replies_by_expiry ON replies (expires)',
  ],
  ({ text, int }) => [
    // The row of a deleted key stays, so that its usage still has a name.
    `ALTER TABLE keys ADD COLUMN deleted ${int}`,
    // The window of a budget as text, because months differ in length.
    `ALTER TABLE budgets ADD COLUMN span ${text} NOT NULL DEFAULT 'total'`,
    // A reservation belongs to one generation of its budget. If nobody settles it, it costs its estimate.
    `ALTER TABLE reservations ADD COLUMN generation ${int} NOT NULL DEFAULT 0`,
    `ALTER TABLE reservations ADD COLUMN estimate ${int} NOT NULL DEFAULT 0`,
  ],
  ({ text }) => [
    // Details that only the page of a single request shows. They are in a column of their own, so that lists do not
    // search them.
    `ALTER TABLE requests ADD COLUMN detail ${text}`,
  ],
  ({ text, int, real, table, busyTable }) => [
    // How many calls of a credential may run at a time in all gateways. The model is '' for all models together.
    `CREATE TABLE capacities (
      credential ${text} NOT NULL,
      model ${text} NOT NULL,
      lim ${int},
      limited_at ${int},
      PRIMARY KEY (credential, model)
    ) ${table}`,
    // The share of that limit that each gateway has, and how many calls it wants. `wants` is JSON.
    `CREATE TABLE leases (
      credential ${text} NOT NULL,
      model ${text} NOT NULL,
      node ${text} NOT NULL,
      share ${int} NOT NULL,
      in_flight ${int} NOT NULL,
      wants ${text} NOT NULL,
      turn ${real} NOT NULL,
      expires ${int} NOT NULL,
      PRIMARY KEY (credential, model, node)
    ) ${busyTable}`,
  ],
  ({ text, int, table }) => [
    // The ids of costs that were stored after an outage of the database, so that each cost counts once.
    `CREATE TABLE settlements (id ${text} PRIMARY KEY, at ${int} NOT NULL) ${table}`,
    'CREATE INDEX settlements_by_age ON settlements (at)',
  ],
  ({ text, int, real, table, busyTable }) => [
    // What is left of a key's limits for this minute, and the requests under way in each gateway: JSON, by gateway id.
    `CREATE TABLE allowances (
      key ${text} PRIMARY KEY,
      requests ${real},
      tokens ${real},
      filled ${int} NOT NULL,
      running ${text} NOT NULL
    ) ${busyTable}`,
    // The gateways that are alive.
    `CREATE TABLE gateways (node ${text} PRIMARY KEY, expires ${int} NOT NULL) ${table}`,
  ],
  ({ text, int, table, busyTable }) => [
    // Batches of requests. Until `leased`, a batch belongs to the gateway that works on it.
    `CREATE TABLE batches (
      id ${text} PRIMARY KEY,
      key ${text} NOT NULL,
      at ${int} NOT NULL,
      expires ${int} NOT NULL,
      cancelled ${int},
      ended ${int},
      size ${int} NOT NULL,
      bytes ${int} NOT NULL,
      dialect ${text} NOT NULL,
      headers ${text} NOT NULL,
      succeeded ${int} NOT NULL,
      errored ${int} NOT NULL,
      canceled ${int} NOT NULL,
      expired ${int} NOT NULL,
      node ${text} NOT NULL,
      leased ${int} NOT NULL
    ) ${busyTable}`,
    'CREATE INDEX batches_of_key ON batches (key, at, id)',
    'CREATE INDEX batches_under_way ON batches (leased) WHERE ended IS NULL',
    // The requests of batches, and the outcome of each.
    `CREATE TABLE batch_requests (
      batch ${text} NOT NULL,
      n ${int} NOT NULL,
      name ${text} NOT NULL,
      body ${text} NOT NULL,
      outcome ${text},
      response ${text},
      PRIMARY KEY (batch, n)
    ) ${table}`,
  ],
  ({ text, int, table }) => [
    // Cooldowns of credentials, which hold in all gateways. `error` is JSON.
    `CREATE TABLE cooldowns (
      credential ${text} NOT NULL,
      model ${text} NOT NULL,
      suspended ${int} NOT NULL,
      failures ${int} NOT NULL,
      ends ${int} NOT NULL,
      dated ${int} NOT NULL,
      error ${text} NOT NULL,
      PRIMARY KEY (credential, model)
    ) ${table}`,
  ],
  ({ text, table, newId }) => [
    // The id of this database. Entries of a journal belong to one database.
    `CREATE TABLE identity (id ${text} NOT NULL) ${table}`,
    `INSERT INTO identity (id) SELECT ${newId}`,
  ],
  ({ text, int, table }) => [
    // Used approvals of MCP calls. `id` is a digest of the approval's id.
    `CREATE TABLE used_approvals (
      key ${text} NOT NULL,
      id ${text} NOT NULL,
      at ${int} NOT NULL,
      PRIMARY KEY (key, id)
    ) ${table}`,
    'CREATE INDEX used_approvals_by_age ON used_approvals (at)',
  ],
  ({ int }) => [
    // 1 while the requests of a batch are being stored, or deleted.
    `ALTER TABLE batches ADD COLUMN hidden ${int} NOT NULL DEFAULT 0`,
    // Without the index, a search for outcomes reads the long texts that come before them in each row.
    'CREATE INDEX batch_requests_by_outcome ON batch_requests (batch, outcome, n)',
  ],
  ({ int }) => [
    // The amount that another gateway settled of a reservation, because its own gateway did not extend it in time.
    `ALTER TABLE reservations ADD COLUMN counted ${int} NOT NULL DEFAULT 0`,
  ],
  ({ int }) => [
    // The hour in which a gateway last used the limit.
    `ALTER TABLE capacities ADD COLUMN used ${int} NOT NULL DEFAULT 0`,
  ],
  ({ int }) => [
    // The fencing number of a lease. It grows with each grant, so that writes under an expired lease are refused.
    `ALTER TABLE capacities ADD COLUMN fence ${int} NOT NULL DEFAULT 0`,
    `ALTER TABLE leases ADD COLUMN fence ${int} NOT NULL DEFAULT 0`,
  ],
  ({ text, int, table }) => [
    // The browsers that have signed in with the operator's key. `id` is the SHA-256 of the session's secret, and
    // `bound_to` a digest by that secret of the key and the `Host`, which reveals neither.
    `CREATE TABLE operator_sessions (
      id ${text} PRIMARY KEY,
      bound_to ${text} NOT NULL,
      started ${int} NOT NULL,
      used ${int} NOT NULL
    ) ${table}`,
  ],
  ({ text, int, busyTable }) => [
    // Replies in the background, and the gateway that writes each. `cancelled` is set until that gateway has heard of it.
    `CREATE TABLE background_replies (
      id ${text} PRIMARY KEY,
      key ${text} NOT NULL,
      node ${text} NOT NULL,
      at ${int} NOT NULL,
      cancelled ${int},
      ended ${int}
    ) ${busyTable}`,
    'CREATE INDEX background_replies_of_node ON background_replies (node)',
  ],
  ({ text, int, table }) => [
    // The credentials of upstreams that the operator has paused.
    `CREATE TABLE paused_credentials (credential ${text} PRIMARY KEY, at ${int} NOT NULL) ${table}`,
  ],
  ({ text, int, table }) => [
    // Events of replies in the background that a client of another gateway reads: `events` is a JSON list of `count`.
    `CREATE TABLE background_events (
      reply ${text} NOT NULL,
      n ${int} NOT NULL,
      at ${int} NOT NULL,
      count ${int} NOT NULL,
      last ${int} NOT NULL,
      events ${text} NOT NULL,
      PRIMARY KEY (reply, n)
    ) ${table}`,
  ],
]

/**
 * The small tables that decide whether a request is allowed. While the file cannot be written, they are kept in memory.
 */
export const stateTables = ['keys', 'budgets', 'reservations'] as const
export type StateTable = (typeof stateTables)[number]

/** Creates the table that holds the version of the schema. */
export const versionTable = 'CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)'

/**
 * The statements that bring a database of schema `version` up to date, one by one. Errors: an Error if a newer version
 * of this program made the database.
 */
export function statementsAfter(version: number, engine: Engine): string[] {
  if (version > migrations.length)
    throw new Error(
      `The database has schema ${version}, and this version of zai2api knows ${migrations.length}: use the newer version, or another DATABASE_URL.`,
    )
  return migrations
    .slice(version)
    .flatMap((migration, index) => [
      ...migration(types[engine]),
      `INSERT INTO schema_version (version) VALUES (${version + index + 1})`,
    ])
}
