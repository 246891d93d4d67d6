import { expect, test } from 'bun:test'
import { createRecentRequests } from '../../src/observe/recent-requests.ts'
import { openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { manualClock } from '../support/clock.ts'

function setUp() {
  const clock = manualClock()
  const recent = createRecentRequests()
  const open = (id: string, more: Partial<RequestRecord> = {}): RequestRecord => {
    clock.advance(1)
    return { ...openRecord(id, 'POST', '/v1/messages', clock), ...more }
  }
  return { recent, open }
}

test('the last thousand requests are remembered', () => {
  const { recent, open } = setUp()
  for (let n = 0; n < 1_500; n++) recent.add(open(`req_${n}`))
  expect(recent.find('req_499')).toBeUndefined()
  expect(recent.find('req_500')?.id).toBe('req_500')
  expect(recent.find('req_1499')?.id).toBe('req_1499')
})

test('neighbours are the turns of the same session and agent, by when they came', () => {
  const { recent, open } = setUp()
  const [one, agent, other, two, three] = [
    open('one', { session: 's' }),
    open('agent', { session: 's', agent: 'a' }),
    open('other', { session: 't' }),
    open('two', { session: 's' }),
    open('three', { session: 's' }),
  ]
  // They end in another order.
  for (const record of [three, other, one, agent, two]) recent.add(record)
  expect(recent.neighbours(two)).toEqual({ previous: one, next: three })
  expect(recent.neighbours(one)).toEqual({ next: two })
  expect(recent.neighbours(three)).toEqual({ previous: two })
  expect(recent.neighbours(agent)).toEqual({})
  expect(recent.neighbours(open('none'))).toEqual({})
})
