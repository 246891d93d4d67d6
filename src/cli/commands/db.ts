import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { systemClock } from '../../async/system-clock.ts'
import { stateFolder } from '../../config/folders.ts'
import type { Config } from '../../config/load.ts'
import { printable, UsageError } from '../../config/usage-error.ts'
import { openDatabase, pathIn } from '../../database/open.ts'
import type { Database } from '../../database/sql.ts'
import { databaseStatus, exportRows, importRows } from '../../database/transfer.ts'
import type { DatabaseInvocation } from '../db-actions.ts'
import type { Io } from '../io.ts'

/**
 * Shows the database of the configuration, brings it up to date, and copies it to another. Resolves with the exit code.
 * Errors: UsageError where there is none, or a file cannot be written or read.
 */
export async function db(config: Config, io: Io, options: DatabaseInvocation & { json: boolean }): Promise<number> {
  const database = await opened(config, io)
  try {
    await act(database, config, io, options)
    return 0
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown
    io.stderr(`zai2api: ${thrown.message}\n`)
    return 1
  } finally {
    await database.close()
  }
}

async function act(
  database: Database,
  config: Config,
  io: Io,
  options: DatabaseInvocation & { json: boolean },
): Promise<void> {
  const sql = database.background
  switch (options.action) {
    case 'status':
    case 'migrate': {
      const found = { database: placeOf(database, config, io), ...(await databaseStatus(sql)) }
      return io.stdout(options.json ? `${JSON.stringify(found, undefined, 2)}\n` : page(found))
    }
    case 'export': {
      // The file is readable by the user only, and never overwrites an existing one.
      if (existsSync(options.file)) throw new Error(`${printable(options.file)} is there already; name a new file`)
      const file = openSync(options.file, 'wx', 0o600)
      try {
        const rows = await exportRows(sql, (line) => void writeSync(file, `${line}\n`))
        return io.stdout(`${rows} rows are in ${options.file}.\n`)
      } finally {
        closeSync(file)
      }
    }
    case 'import': {
      const rows = await importRows(sql, linesOf(options.file))
      return io.stdout(`${rows} rows were imported.\n`)
    }
    default:
      options satisfies never
  }
}

async function opened(config: Config, io: Io): Promise<Database> {
  const folder = stateFolder(io.env)
  if (config.databaseUrl === 'memory' || (config.databaseUrl === undefined && folder === undefined))
    throw new UsageError('zai2api db needs a database that lasts: set DATABASE_URL')
  const warn = (message: string) => io.stderr(`zai2api: ${message}\n`)
  return await openDatabase({ url: config.databaseUrl, folder, clock: systemClock, isLasting: true, warn }).catch(
    (thrown) => {
      throw new UsageError(thrown instanceof Error ? thrown.message : String(thrown))
    },
  )
}

/** The path of the file, or the address without its password. */
function placeOf({ engine }: Database, { databaseUrl }: Config, { env }: Io): string {
  if (engine === 'sqlite' || databaseUrl === undefined) return pathIn(databaseUrl, stateFolder(env))
  const { host, pathname } = new URL(databaseUrl)
  return `postgres://${host}${pathname}`
}

function page({ database, schema, rows }: { database: string; schema: number; rows: Record<string, number> }): string {
  const lines = [['Database', printable(database)], ['Schema', String(schema)], ...Object.entries(rows)]
  const width = Math.max(...lines.map(([name = '']) => String(name).length))
  return lines.map(([name = '', value = '']) => `${String(name).padEnd(width)}  ${value}\n`).join('')
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of Bun.file(path).stream()) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}
