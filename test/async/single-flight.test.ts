import { expect, test } from 'bun:test'
import { singleFlight } from '../../src/async/single-flight.ts'

const signal = new AbortController().signal

function counted() {
  const runs: PromiseWithResolvers<number>[] = []
  const work = singleFlight(() => {
    const run = Promise.withResolvers<number>()
    runs.push(run)
    return run.promise
  })
  return { runs, work }
}

test('callers at the same time share one run, later ones start another', async () => {
  const { runs, work } = counted()
  const both = Promise.all([work(signal), work(signal)])
  runs[0]?.resolve(1)
  expect(await both).toEqual([1, 1])
  const later = work(signal)
  runs[1]?.resolve(2)
  expect([await later, runs.length]).toEqual([2, 2])
})

test('a caller that aborts does not stop the others', async () => {
  const { runs, work } = counted()
  const leaving = new AbortController()
  const left = work(leaving.signal)
  const stays = work(signal)
  leaving.abort()
  await expect(left).rejects.toMatchObject({ kind: 'cancelled' })
  runs[0]?.resolve(1)
  expect(await stays).toBe(1)
})

test('a failed run is not reused', async () => {
  const { runs, work } = counted()
  const first = work(signal)
  runs[0]?.reject(new Error('no'))
  await expect(first).rejects.toThrow('no')
  const second = work(signal)
  runs[1]?.resolve(2)
  expect(await second).toBe(2)
})
