import { expect, test } from 'bun:test'
import { indexPage } from '../../support/chat-zai.ts'
import { parts, settle, signal } from './support.ts'

const page = (version: string) => new Response(indexPage(version))

test.each([
  ['the newest by number, not by letter', 'prod-fe-1.1.64', 'prod-fe-1.1.64'],
  ['three digits over two', 'prod-fe-1.1.100', 'prod-fe-1.1.100'],
  ['a higher place over a lower one', 'prod-fe-1.2', 'prod-fe-1.2'],
])('the version is read from the front page: %s', async (_name, version, expected) => {
  const { zai, version: known } = parts()
  zai.script('GET /', page(version))
  expect(await known.current(signal)).toBe(expected)
})

test.each([
  ['answers with an error', () => new Response('no', { status: 405 })],
  ['names no version', () => new Response('<html></html>')],
  ['cannot be reached', () => Promise.reject(new TypeError('refused'))],
])('the fallback is used when the page %s', async (_name, reply) => {
  const { zai, version } = parts()
  zai.script('GET /', reply)
  expect(await version.current(signal)).toBe('prod-fe-1.1.90')
})

test('a discovered version is kept for 45 minutes', async () => {
  const { zai, clock, version } = parts()
  await version.current(signal)
  clock.advance(45 * 60_000 - 1)
  await version.current(signal)
  expect(zai.to('GET /')).toHaveLength(1)
  clock.advance(1)
  await version.current(signal)
  expect(zai.to('GET /')).toHaveLength(2)
})

test('a refresh reads the page at once, and never returns an older version', async () => {
  const { zai, version } = parts()
  zai.script('GET /', page('prod-fe-1.1.98'), page('prod-fe-1.1.97'), page('prod-fe-1.1.101'))
  expect(await version.current(signal)).toBe('prod-fe-1.1.98')
  expect(await version.refresh(signal)).toBe('prod-fe-1.1.98')
  expect(await version.refresh(signal)).toBe('prod-fe-1.1.101')
})

test('concurrent callers share one request for the page', async () => {
  const { zai, version } = parts()
  await Promise.all([version.current(signal), version.current(signal), version.refresh(signal)])
  expect(zai.to('GET /')).toHaveLength(1)
})

test('a request for the page ends after five seconds; an abort before that affects one caller only', async () => {
  const { zai, clock, version } = parts()
  zai.script('GET /', () => new Promise<Response>(() => {}))
  const leaver = new AbortController()
  const left = version.current(leaver.signal)
  const stayed = version.current(signal)
  leaver.abort()
  expect(left).rejects.toMatchObject({ kind: 'cancelled' })
  await settle()
  clock.advance(5_000)
  expect(await stayed).toBe('prod-fe-1.1.90')
})
