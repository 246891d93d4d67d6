import { expect, test } from 'bun:test'
import { turnstile } from '../../src/attachments/turnstile.ts'

/** Tasks that end when they are told to. */
function tasks(most: number, count: number) {
  const inTurn = turnstile(most)
  const begun: number[] = []
  const ends = Array.from({ length: count }, () => Promise.withResolvers<string>())
  const results = ends.map(({ promise }, number) =>
    inTurn(() => {
      begun.push(number)
      return promise
    }).catch(String),
  )
  return { begun, ends, results }
}

test('tasks run two at a time, in their order', async () => {
  const { begun, ends, results } = tasks(2, 4)
  expect(begun).toEqual([0, 1])
  ends[1]?.resolve('one')
  expect(await results[1]).toBe('one')
  expect(begun).toEqual([0, 1, 2])
  for (const { resolve } of ends) resolve('done')
  expect(await Promise.all(results)).toEqual(['done', 'one', 'done', 'done'])
})

test('a task that fails makes room', async () => {
  const { begun, ends, results } = tasks(1, 2)
  ends[0]?.reject(new Error('broken'))
  expect(await results[0]).toBe('Error: broken')
  expect(begun).toEqual([0, 1])
  ends[1]?.resolve('done')
  expect(await results[1]).toBe('done')
})

test('room that nobody waited for is there for the next', async () => {
  const inTurn = turnstile(1)
  for (const word of ['first', 'second']) expect(await inTurn(async () => word)).toBe(word)
})
