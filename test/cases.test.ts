import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { casesIn } from './support/cases/case.ts'
import { mismatches } from './support/cases/match.ts'
import { play, waysOf } from './support/cases/play.ts'

const cases = casesIn(join(import.meta.dir, 'cases'))

test('there are cases to play', () => expect(cases.map(({ name }) => name)).toContain('basics/plain-answer'))

for (const { name, of } of cases)
  describe(`${name}: ${of.note}`, () => {
    test.each(waysOf(of))('$upstream, $mode, in reads of $pieceSize bytes', async (way) => {
      expect(await play(of, way)).toEqual([])
    })
  })

describe('a match', () => {
  test.each<[string, unknown, unknown, string[]]>([
    ['has members to spare', { a: 1, b: 2 }, { a: 1 }, []],
    ['lacks none', { b: 2 }, { a: 1 }, ['$.a is missing']],
    ['has the same values', { a: { b: [1, 2] } }, { a: { b: [1, 3] } }, ['$.a.b[1] is 2, not 3']],
    ['has as many items', [1, 2], [1], ['$ has 2 items, not 1: [1,2]']],
    ['tells null from nothing', { a: null }, { a: '$absent' }, ['$.a is there: null']],
    ['needs nothing where nothing may be', {}, { a: '$absent' }, []],
    ['takes any value', { a: null }, { a: '$any' }, []],
    ['knows an empty id', { id: '' }, { id: '$id' }, ['$.id is no id: ""']],
    ['looks like its pattern', { a: 'xay' }, { a: { $match: '^a' } }, ['$.a is "xay", not like ^a']],
    ['reads JSON text', { a: '{"b":1}' }, { a: { $json: { b: 2 } } }, ['$.a as JSON.b is 1, not 2']],
  ])('%s', (_name, actual, wanted, found) => expect(mismatches(actual, wanted)).toEqual(found))
})
