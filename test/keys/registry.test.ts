import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKeyRegistry } from '../../src/keys/registry.ts'
import { characterMeter } from '../support/bills.ts'
import { manualClock } from '../support/clock.ts'
import { exact, type House, keyHouse, priced } from './support.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function house(path = ':memory:', clock = manualClock()): Promise<House> {
  const home = await keyHouse({ path, clock })
  closing.push(home.close)
  return home
}

/** Lets what was begun come to its end: statements of SQLite take no time, only turns. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

test('a key expires at its instant, and may be given more time', async () => {
  const home = await house()
  const { secret } = await home.keys.create({ name: 'a', expires: '1h' })
  home.clock.advance(3_600_000 - 1)
  expect(home.request(secret).caller.label).toBe('a')
  home.clock.advance(1)
  expect(() => home.request(secret)).toThrow('This key has expired at 2025-10-09T')
  expect((await home.keys.show('a')).state).toBe('expired')
  await home.keys.change('a', { expires: '2h' })
  expect(home.request(secret).caller.label).toBe('a')
  await home.keys.change('a', { expires_at: null })
  home.clock.advance(10 * 3_600_000)
  expect(home.request(secret).caller.label).toBe('a')
})

test('what another process changes is seen at the next look', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'zai2api-registry-')), 'keys.sqlite')
  closing.push(() => rmSync(join(path, '..'), { recursive: true }))
  const clock = manualClock()
  const [server, other] = [await house(path, clock), await house(path, manualClock())]
  const { secret } = await other.keys.create({ name: 'a' })
  expect(() => server.request(secret)).toThrow('no such key')
  clock.advance(400)
  await settled()
  expect(server.request(secret).caller).toMatchObject({ label: 'a', policy: { hasBudgets: false } })
  await other.keys.change('a', { budget: 'tokens:5/day', rpm: 7 })
  clock.advance(400)
  await settled()
  expect(server.request(secret).caller.policy).toMatchObject({
    hasBudgets: true,
    requests: { perMinute: 7, setting: 'rpm' },
  })
  // One is deleted and another made between two looks, and the clock of the other was set back.
  await other.keys.delete('a')
  other.clock.setDate(1)
  const { secret: next } = await other.keys.create({ name: 'a' })
  clock.advance(400)
  await settled()
  expect(() => server.request(secret)).toThrow('no such key')
  expect(server.request(next).caller.label).toBe('a')
})

test('what several processes change at the same time is neither lost nor made twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-keys-'))
  closing.push(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'keys.sqlite')
  const home = await house(path)
  await home.keys.create({ name: 'shared' })
  const limits = ['rpm', 'tpm', 'parallel']
  const children = limits.map((limit) =>
    Bun.spawn([process.execPath, 'test/keys/changing.ts', path, limit], { stdout: 'pipe', stderr: 'inherit' }),
  )
  const told: { lost: number; made: number }[] = await Promise.all(
    children.map(async ({ stdout }) => JSON.parse(await new Response(stdout).text())),
  )
  expect(told.map(({ lost }) => lost)).toEqual([0, 0, 0])
  expect(await home.keys.show('shared')).toMatchObject({ rpm: 30, tpm: 30, parallel: 30 })
  expect(told.reduce((sum, { made }) => sum + made, 0)).toBe(30)
  expect(await home.keys.list()).toHaveLength(31)
}, 60_000)

test('a look that began before a key was disabled does not let it in again', async () => {
  const { store, clock, keys } = await house()
  const held = Promise.withResolvers<void>()
  let isHeld = false
  const slow = {
    ...store,
    async keys() {
      const rows = await store.keys()
      if (isHeld) await held.promise
      return rows
    },
  }
  const { secret } = await keys.create({ name: 'a' })
  const registry = await createKeyRegistry({ store: slow, clock, policy: () => ({}), warn() {} })
  closing.push(registry.close)
  isHeld = true
  const overtaken = registry.refresh()
  await settled()
  isHeld = false
  await keys.change('a', { disabled: true })
  await registry.refresh()
  held.resolve()
  await overtaken
  expect(() => registry.callerOf(secret)).toThrow('This key is disabled')
})

test('without its database the keys that are known stay in use, and that is said once', async () => {
  const home = await house()
  const { secret } = await home.keys.create({ name: 'a' })
  await home.db`ALTER TABLE keys RENAME TO lost`
  for (const _ of [1, 2]) {
    home.clock.advance(400)
    await settled()
  }
  expect(home.request(secret).caller.label).toBe('a')
  expect(home.warnings).toEqual([expect.stringContaining('the keys could not be looked up')])
  await home.db`ALTER TABLE lost RENAME TO keys`
})

test('the last use of a key is stored now and then', async () => {
  const home = await house()
  const { secret } = await home.keys.create({ name: 'a' })
  expect(await home.keys.show('a')).not.toHaveProperty('last_used_at')
  home.request(secret)
  const usedAt = home.clock.now()
  for (let looks = 0; looks < 6; looks++) {
    home.clock.advance(400)
    await settled()
  }
  expect((await home.keys.show('a')).last_used_at).toBe(usedAt)
})

test('a key says how much of its budgets is left', async () => {
  const home = await house()
  const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
  const spend = async (outputTokens: number) => {
    const record = home.request(secret)
    const meter = characterMeter()
    meter.reported({ inputTokens: 0, outputTokens })
    const call = { model: priced, prompt: { most: 0, likely: 0 }, maxTokens: 10, longestReply: exact, meter }
    await home.ledger.spendingOf(record)?.reserve(call)
    await home.ledger.settle(record)
    return (await home.keys.show('a')).state
  }
  expect(await spend(800)).toBe('active')
  expect(await spend(1)).toBe('warning')
  expect(await spend(199)).toBe('used_up')
  home.clock.advance(86_400_000)
  expect((await home.keys.show('a')).state).toBe('active')
})
