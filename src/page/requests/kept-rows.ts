import type { RequestRow } from '../../admin/schema/requests.ts'

/**
 * The most rows that an open list may hold, and how many of the newest stay once it has more. The gateway has all older
 * ones.
 */
export const mostRows = 4_000
export const rowsKept = 2_000

/** A known row is near its place. */
const neighbours = 50

/** The rows with one more in its place, newest first by when they came, as the gateway lists them. */
export function withRow(rows: readonly RequestRow[], row: RequestRow): RequestRow[] {
  const older = rows.findIndex((each) => each.at <= row.at)
  const at = older === -1 ? rows.length : older
  if (rows.slice(0, at + neighbours).some(({ id }) => id === row.id)) return [...rows]
  return rows.toSpliced(at, 0, row)
}

/** The newest of them, where they are too many; `isCut` if some are left out. */
export function newestRows(rows: RequestRow[]): { rows: RequestRow[]; isCut: boolean } {
  if (rows.length <= mostRows) return { rows, isCut: false }
  return { rows: rows.slice(0, rowsKept), isCut: true }
}

/** Without those that are known. */
export function unknownRows(rows: readonly RequestRow[], known: readonly RequestRow[]): RequestRow[] {
  const ids = new Set(known.slice(-neighbours * 4).map(({ id }) => id))
  return rows.filter(({ id }) => !ids.has(id))
}
