import { expect, test } from 'bun:test'
import { createLiveRequests } from '../../src/observe/live-requests.ts'
import { enterPhase, openRecord } from '../../src/observe/record.ts'
import { manualClock } from '../support/clock.ts'

function setUp() {
  const clock = manualClock()
  const live = createLiveRequests(clock)
  const open = (id: string) => {
    const record = openRecord(id, 'POST', '/v1/messages', clock)
    live.opened(record)
    return record
  }
  const received: string[] = []
  const listen = () => live.subscribe(({ kind, record }) => received.push(`${record.id} ${kind} ${record.phase}`))
  return { clock, live, open, heard: received, listen }
}

test('requests under way stand in their order until they are over', () => {
  const { live, open } = setUp()
  const first = open('one')
  const second = open('two')
  expect(live.running()).toEqual([first, second])
  live.closed(first)
  expect(live.running()).toEqual([second])
})

test('a subscriber hears of the beginning, each phase and the end', () => {
  const { clock, live, open, heard: received, listen } = setUp()
  listen()
  const record = open('one')
  for (const phase of ['waiting', 'reasoning', 'writing'] as const) {
    clock.advance(500)
    enterPhase(record, phase)
  }
  enterPhase(record, 'done')
  live.closed(record)
  clock.advance(1_000)
  expect(received).toEqual([
    'one opened reading',
    'one phase waiting',
    'one phase reasoning',
    'one phase writing',
    'one closed done',
  ])
})

test('of phases in quick succession the last is told, and no more than four events come in any second', () => {
  const { clock, live, open, heard: received, listen } = setUp()
  listen()
  const record = open('one')
  const times = [clock.monotonic()]
  live.subscribe(() => times.push(clock.monotonic()))
  for (let round = 0; round < 100; round++) {
    clock.advance(20)
    enterPhase(record, round % 2 === 0 ? 'reasoning' : 'tool')
  }
  live.closed(record)
  expect(received.length).toBeGreaterThan(4)
  for (const from of times) expect(times.filter((at) => at >= from && at < from + 1_000).length).toBeLessThanOrEqual(4)

  const quick = open('two')
  enterPhase(quick, 'waiting')
  enterPhase(quick, 'writing')
  clock.advance(400)
  expect(received.filter((line) => line.startsWith('two'))).toEqual(['two opened reading', 'two phase writing'])
})

test('without a subscriber no timer runs, and one that has left hears nothing', () => {
  const { clock, open, heard: received, listen } = setUp()
  const leave = listen()
  leave()
  const record = open('one')
  enterPhase(record, 'waiting')
  expect(clock.pending()).toBe(0)
  expect(received).toEqual([])
})
