import { expect, test } from 'bun:test'
import { semaphore } from '../../src/async/semaphore.ts'

/** Tasks that the test ends. */
function tasks(most: number, count: number) {
  const inTurn = semaphore(most)
  const begun: number[] = []
  const callers = Array.from({ length: count }, () => new AbortController())
  const ends = Array.from({ length: count }, () => Promise.withResolvers<string>())
  const results = callers.map(({ signal }, number) =>
    inTurn(() => {
      begun.push(number)
      return ends[number]?.promise ?? Promise.reject(new Error('no such task'))
    }, signal).catch(String),
  )
  return { begun, callers, ends, results }
}

test('two tasks run at a time, in order', async () => {
  const { begun, ends, results } = tasks(2, 4)
  expect(begun).toEqual([0, 1])
  ends[1]?.resolve('one')
  expect(await results[1]).toBe('one')
  expect(begun).toEqual([0, 1, 2])
  for (const { resolve } of ends) resolve('done')
  expect(await Promise.all(results)).toEqual(['done', 'one', 'done', 'done'])
})

test('a failed task frees its slot', async () => {
  const { begun, ends, results } = tasks(1, 2)
  ends[0]?.reject(new Error('broken'))
  expect(await results[0]).toBe('Error: broken')
  expect(begun).toEqual([0, 1])
  ends[1]?.resolve('done')
  expect(await results[1]).toBe('done')
})

test('a slot freed without a waiter serves the next task', async () => {
  const inTurn = semaphore(1)
  const { signal } = new AbortController()
  for (const word of ['first', 'second']) expect(await inTurn(async () => word, signal)).toBe(word)
})

test('an abort while waiting rejects at once and delays nobody else', async () => {
  const { begun, callers, ends, results } = tasks(1, 3)
  callers[1]?.abort()
  expect(await results[1]).toContain('closed the request')
  ends[0]?.resolve('done')
  expect(await results[0]).toBe('done')
  expect(begun).toEqual([0, 2])
  callers[1]?.abort()
  ends[2]?.resolve('done')
  expect(await results[2]).toBe('done')
})

test('an aborted signal never runs the task, with or without a free slot', async () => {
  const inTurn = semaphore(1)
  const task = async () => 'begun'
  expect(await inTurn(task, AbortSignal.abort()).catch(String)).toContain('closed the request')
  const held = Promise.withResolvers<string>()
  const first = inTurn(() => held.promise, new AbortController().signal)
  expect(await inTurn(task, AbortSignal.abort()).catch(String)).toContain('closed the request')
  held.resolve('done')
  expect(await first).toBe('done')
})
