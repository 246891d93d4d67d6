import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { manualClock } from '../support/clock.ts'
import { keyHouse } from './support.ts'

// Keys of an older version may have any name.

const clock = manualClock()
const house = await keyHouse({ clock })
afterAll(() => house.close())

const failure = (promise: Promise<unknown>) => promise.then(() => undefined).catch((thrown) => thrown)

describe('a word that may mean two keys means none', () => {
  let [ann, bob] = [
    { id: '', prefix: '' },
    { id: '', prefix: '' },
  ]
  beforeAll(async () => {
    ann = await house.keys.create({ name: 'ann' })
    // Ids sort by their time, and are told in that order.
    clock.advance(1)
    bob = await house.keys.create({ name: 'bob' })
  })
  const renameBob = (name: string) => house.db`UPDATE keys SET name = ${name} WHERE id = ${bob.id}`

  test.each([
    ['the name of one and the beginning of the other', () => ann.prefix],
    ['the name of both', () => 'ann'],
    ['the name of both, composed in one and not in the other', () => 'Ann\u0301'],
  ])('%s', async (_what, word) => {
    if (word() === 'Ann\u0301') await house.keys.change(ann.id, { name: word() })
    await renameBob(word())
    for (const act of [house.keys.rotate, house.keys.delete, house.keys.reset, house.keys.show])
      expect(await failure(act(word()))).toMatchObject({ code: 'key_ambiguous', status: 409 })
    const change = house.keys.change(word(), { disabled: true })
    const { message } = await failure(change)
    const [first = '', second = ''] = / may mean (\w+) or (\w+): give the id/.exec(message)?.slice(1) ?? []
    expect([first, second].toSorted()).toEqual([ann.id, bob.id].toSorted())
  })

  test('but an id is always that of one key', async () => {
    await renameBob(ann.id)
    expect((await house.keys.change(ann.id, { disabled: true })).id).toBe(ann.id)
    expect((await house.keys.show(bob.id)).disabled).toBe(false)
  })
})

test('a name is found however it is composed', async () => {
  const { id } = await house.keys.create({ name: 'Jose\u0301' })
  for (const name of ['Jose\u0301', 'Jos\u00e9']) expect((await house.keys.show(name)).id).toBe(id)
  expect(await failure(house.keys.create({ name: 'Jos\u00e9' }))).toMatchObject({ code: 'name_taken' })
})
