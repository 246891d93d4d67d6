import { expect, test } from 'bun:test'
import { onAbort } from '../../src/core/on-abort.ts'

test('all that waits for a signal runs once, in the order in which it was added', () => {
  const controller = new AbortController()
  const ran: string[] = []
  for (const name of ['a', 'b', 'c']) onAbort(controller.signal, () => void ran.push(name))
  expect(ran).toEqual([])
  controller.abort()
  controller.abort()
  expect(ran).toEqual(['a', 'b', 'c'])
})

test('what is removed does not run, also if another that runs before removes it', () => {
  const controller = new AbortController()
  const ran: string[] = []
  onAbort(controller.signal, () => stop())
  const stop = onAbort(controller.signal, () => void ran.push('a'))
  onAbort(controller.signal, () => void ran.push('b'))()
  controller.abort()
  expect(ran).toEqual([])
})

test('what is added after the abort does not run', () => {
  const controller = new AbortController()
  onAbort(controller.signal, () => {})
  controller.abort()
  let ran = false
  onAbort(controller.signal, () => {
    ran = true
  })
  controller.abort()
  expect(ran).toBe(false)
})

test('signals do not run what waits for others', () => {
  const [one, other] = [new AbortController(), new AbortController()]
  const ran: string[] = []
  onAbort(one.signal, () => void ran.push('one'))
  onAbort(other.signal, () => void ran.push('other'))
  other.abort()
  expect(ran).toEqual(['other'])
})
