import { expect, test } from 'bun:test'
import { unansweredCalls } from '../../src/core/unanswered-calls.ts'

test('each call is answered once, by its id or else by its name, the first one first', () => {
  const calls = unansweredCalls()
  for (const [id, name] of ['a f', 'b g', 'c f'].map((call) => call.split(' ')))
    calls.add({ id: id ?? '', name: name ?? '' })
  const taken = [
    calls.take('a', ''),
    calls.take('', 'f'),
    calls.take('', 'f'),
    calls.take('c', 'f'),
    calls.take('', 'g'),
  ]
  expect(taken.map((call) => call?.id)).toEqual(['a', 'c', undefined, undefined, 'b'])
})

test('no call is searched for', () => {
  const calls = unansweredCalls()
  const ids = Array.from({ length: 100_000 }, (_, index) => `${index}`)
  for (const id of ids) calls.add({ id, name: `f${id}` })
  // Looking at every other call would take a minute.
  expect(ids.toReversed().map((id) => calls.take('', `f${id}`)?.id)).toEqual(ids.toReversed())
})
