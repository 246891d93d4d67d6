import { expect, test } from 'bun:test'
import type { RequestRow } from '../../src/admin/schema/requests.ts'
import { mostRows, newestRows, rowsKept, unknownRows, withRow } from '../../src/page/requests/kept-rows.ts'

const row = (at: number): RequestRow => ({
  ...{ id: `req_${at}`, at, key: { id: 'master', label: 'AUTH_TOKEN' }, route: '/v1/messages', state: 'done' as const },
  ...{ stream: true, notes: [], ignored: [] },
})

test('a list that is left open for days holds the newest rows, in order, each once', () => {
  let rows: RequestRow[] = []
  let cuts = 0
  for (let at = 1; at <= 20_000; at++) {
    const { rows: kept, isCut } = newestRows(withRow(rows, row(at % 2 === 0 ? at - 1 : at + 1)))
    rows = kept
    if (isCut) cuts++
    if (rows.length > mostRows) throw new Error('it grows')
  }
  expect(cuts).toBeGreaterThan(5)
  expect(rows.length).toBeGreaterThanOrEqual(rowsKept)
  expect(rows[0]?.at).toBe(20_000)
  expect(rows.map(({ at }) => at)).toEqual(rows.map(({ at }) => at).toSorted((a, b) => b - a))
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
})

test('a row that is known is not added again', () => {
  const rows = [row(3), row(2), row(1)]
  expect(withRow(rows, row(2))).toEqual(rows)
})

test('what is read again where the list was cut is left out', () => {
  expect(unknownRows([row(5), row(4), row(3)], [row(6), row(5)])).toEqual([row(4), row(3)])
})
