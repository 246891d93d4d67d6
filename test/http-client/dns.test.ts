import { expect, test } from 'bun:test'
import { cachedLookup } from '../../src/http-client/dns.ts'
import { manualClock } from '../support/clock.ts'

function setUp(answers: string[][]) {
  const clock = manualClock()
  const asked: string[] = []
  const lookup = cachedLookup(async (host) => {
    asked.push(host)
    const addresses = answers[asked.length - 1]
    if (addresses === undefined) throw new Error('ENOTFOUND')
    return addresses.map((address) => ({ address }))
  }, clock)
  return { clock, asked, lookup }
}

test('concurrent calls share one lookup, and calls soon after reuse it', async () => {
  const { asked, lookup, clock } = setUp([['10.0.0.1']])
  await Promise.all([lookup('a.test'), lookup('a.test')])
  clock.advance(9_999)
  expect(await lookup('a.test')).toEqual([{ address: '10.0.0.1' }])
  expect(asked).toEqual(['a.test'])
})

test('old addresses are looked up again', async () => {
  const { lookup, clock } = setUp([['10.0.0.1'], ['10.0.0.2']])
  await lookup('a.test')
  clock.advance(10_000)
  expect(await lookup('a.test')).toEqual([{ address: '10.0.0.2' }])
})

test('IPv4 comes first, each kind in its own order', async () => {
  const { lookup } = setUp([['::2', '10.0.0.2', '::1', '10.0.0.1']])
  expect((await lookup('a.test')).map(({ address }) => address)).toEqual(['10.0.0.2', '10.0.0.1', '::2', '::1'])
})

test('a failure is not remembered, and hosts are not mixed up', async () => {
  const { asked, lookup } = setUp([])
  await expect(lookup('a.test')).rejects.toThrow('ENOTFOUND')
  await expect(lookup('a.test')).rejects.toThrow('ENOTFOUND')
  await expect(lookup('b.test')).rejects.toThrow('ENOTFOUND')
  expect(asked).toEqual(['a.test', 'a.test', 'b.test'])
})
