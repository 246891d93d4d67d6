import { Database as Connection, constants } from 'bun:sqlite'
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

/** The application id in the header of each SQLite file of this program: "zai2". */
const applicationId = 0x7a_61_69_32

/** Bytes 68 to 71 of a SQLite file are its application id. The first 16 bytes are the same in all SQLite files. */
const headerBytes = 100
const magic = 'SQLite format 3\0'
const idOffset = 68

/**
 * Determines whose file this is. Called before anything is written to the file or its mode is changed.
 * - `new`: the file is missing or empty
 * - `ours`: its header or its tables say that this program made it
 * - `foreign`: a text, another program's database, or something unknown
 * - `special`: a folder, a pipe or a device
 *
 * `names` are tables and indexes that every version has: older versions set no application id. Errors: those of the
 * file system, and of SQLite where a file cannot be read.
 */
export function ownerOf(path: string, names: readonly string[]): 'new' | 'ours' | 'foreign' | 'special' {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 'new'
  if (!found.isFile()) return 'special'
  if (found.size === 0) return 'new'
  const header = headerOf(path)
  // The header is enough, so a file that is damaged behind it still counts as ours.
  if (header.length === headerBytes && header.readUInt32BE(idOffset) === applicationId) return 'ours'
  return header.toString('latin1').startsWith(magic) ? ownerOfDatabase(path, names) : 'foreign'
}

function headerOf(path: string): Buffer {
  const file = openSync(path, 'r')
  try {
    const header = Buffer.alloc(headerBytes)
    return header.subarray(0, readSync(file, header))
  } finally {
    closeSync(file)
  }
}

function ownerOfDatabase(path: string, names: readonly string[]): 'new' | 'ours' | 'foreign' {
  // Without a write-ahead log all data is in the file. It is opened as immutable then, so that SQLite creates no other
  // files beside it.
  const isWhole = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0
  const { SQLITE_OPEN_READONLY, SQLITE_OPEN_URI } = constants
  const connection = isWhole
    ? new Connection(`${pathToFileURL(path).href}?immutable=1`, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI)
    : new Connection(path, { readonly: true })
  try {
    const id = connection.query<{ application_id: number }, []>('PRAGMA application_id').get()?.application_id ?? 0
    if (id === applicationId) return 'ours'
    if (id !== 0) return 'foreign'
    const found = connection.query<{ name: string }, []>('SELECT name FROM sqlite_master').all()
    if (found.length === 0) return 'new'
    return names.every((name) => found.some((one) => one.name === name)) ? 'ours' : 'foreign'
  } catch (thrown) {
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(String(thrown instanceof Error && 'code' in thrown && thrown.code)))
      return 'foreign'
    throw thrown
  } finally {
    connection.close()
  }
}

/**
 * Sets the application id of a connection's file. A new file gets it before it has a write-ahead log, so that the id is
 * in the file itself at once. A full disk is no error here.
 */
export function markAsOurs(connection: Connection): void {
  try {
    const id = connection.query<{ application_id: number }, []>('PRAGMA application_id').get()?.application_id
    if (id === applicationId) return
    connection.run(`PRAGMA application_id = ${applicationId}`)
    connection.run('PRAGMA wal_checkpoint(PASSIVE)')
  } catch {
    // Without the id, the tables show that the file is this program's.
  }
}

/** A setting names a file that is not this program's. The message is for the user. */
export class ForeignFileError extends Error {
  override readonly name = 'ForeignFileError'
}

/** Errors: `ForeignFileError`; those of `ownerOf`. */
export function rejectForeign(path: string, names: readonly string[], setting: string): void {
  const owner = ownerOf(path, names)
  if (owner === 'special') throw new ForeignFileError(`${setting}: ${path} is no file. Give the path of a file.`)
  if (owner === 'foreign')
    throw new ForeignFileError(
      `${setting}: ${path} exists and is no database of zai2api, so it is left as it is. Give another path, or move it away.`,
    )
}
