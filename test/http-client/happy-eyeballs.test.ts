import { describe, expect, test } from 'bun:test'
import { dial } from '../../src/http-client/happy-eyeballs.ts'
import { manualClock } from '../support/clock.ts'

interface Attempt {
  address: string
  atMs: number
  opened(): void
  failed(cause: unknown): void
  givenUp: boolean
}

function dialling(...addresses: string[]) {
  const clock = manualClock()
  const start = clock.monotonic()
  const attempts: Attempt[] = []
  const failures: unknown[] = []
  const giveUp = dial({
    addresses,
    clock,
    attempt(address, opened, failed) {
      const attempt = { address, atMs: clock.monotonic() - start, opened, failed, givenUp: false }
      attempts.push(attempt)
      return () => {
        attempt.givenUp = true
      }
    },
    failed: (cause) => failures.push(cause),
  })
  const tried = () => attempts.map(({ address, atMs }) => [address, atMs])
  return { clock, attempts, failures, giveUp, tried }
}

const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })

describe('an unreachable address', () => {
  test('has a head start of 250 ms, then the next one is tried beside it', () => {
    const { clock, attempts, tried, failures } = dialling('192.0.2.1', '192.0.2.2')
    clock.advance(249)
    expect(tried()).toEqual([['192.0.2.1', 0]])
    clock.advance(1)
    expect(tried()).toEqual([
      ['192.0.2.1', 0],
      ['192.0.2.2', 250],
    ])
    attempts[1]?.opened()
    expect(attempts.map(({ givenUp }) => givenUp)).toEqual([true, false])
    clock.advance(60_000)
    expect([failures, clock.pending()]).toEqual([[], 0])
  })

  test('fails after 3 s', () => {
    const { clock, attempts, failures } = dialling('192.0.2.1')
    clock.advance(2_999)
    expect(failures).toEqual([])
    clock.advance(1)
    expect(failures).toMatchObject([{ code: 'ETIMEDOUT' }])
    expect(attempts[0]?.givenUp).toBe(true)
    attempts[0]?.opened()
    attempts[0]?.failed(refused)
    expect(failures).toHaveLength(1)
  })

  test('does not replace the error of one that refuses', () => {
    const { clock, attempts, failures } = dialling('192.0.2.1', '192.0.2.2')
    clock.advance(250)
    attempts[1]?.failed(refused)
    clock.advance(3_000)
    expect(failures).toEqual([refused])
  })
})

test('an address that fails at once is followed by the next at once', () => {
  const { attempts, tried, failures } = dialling('192.0.2.1', '192.0.2.2')
  attempts[0]?.failed(refused)
  expect(tried()).toEqual([
    ['192.0.2.1', 0],
    ['192.0.2.2', 0],
  ])
  attempts[1]?.failed(refused)
  expect(failures).toEqual([refused])
})

test('address families alternate, IPv4 first', () => {
  const { clock, tried } = dialling('2001:db8::1', '2001:db8::2', '192.0.2.1', '192.0.2.2', '2001:db8::3')
  clock.advance(1_000)
  expect(tried().map(([address]) => address)).toEqual([
    '192.0.2.1',
    '2001:db8::1',
    '192.0.2.2',
    '2001:db8::2',
    '2001:db8::3',
  ])
})

test('a slow address is used if it answers in time', () => {
  const { clock, attempts, failures } = dialling('192.0.2.1', '192.0.2.2')
  clock.advance(2_000)
  attempts[0]?.opened()
  expect(attempts.map(({ givenUp }) => givenUp)).toEqual([false, true])
  expect([failures, clock.pending()]).toEqual([[], 0])
})

test('aborting leaves no timer and no connection', () => {
  const { clock, attempts, failures, giveUp } = dialling('192.0.2.1', '192.0.2.2')
  clock.advance(300)
  giveUp()
  expect(attempts.map(({ givenUp }) => givenUp)).toEqual([true, true])
  clock.advance(60_000)
  expect([failures, clock.pending()]).toEqual([[], 0])
})
