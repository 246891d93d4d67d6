import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { createHeap } from '../../../src/gateway/credential-pool/heap.ts'

interface Item {
  rank: number
}

const byRank = (left: Item, right: Item) => left.rank - right.rank

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('add' as const), number: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('remove' as const, 'take' as const), number: fc.nat(40) }) },
)

test('whoever comes and goes, the first is the least of those who are in', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const heap = createHeap(byRank)
      let model: Item[] = []
      for (const { do: act, number } of steps) {
        if (act === 'add') {
          const item = { rank: number }
          model.push(item)
          heap.add(item)
        } else {
          const item = act === 'take' ? heap.first() : model[number % Math.max(1, model.length)]
          if (item === undefined) continue
          model = model.filter((other) => other !== item)
          heap.remove(item)
          heap.remove(item) // gone already
        }
        expect(heap.first()?.rank).toBe(model.toSorted(byRank)[0]?.rank)
        expect(heap.all().toSorted(byRank)).toEqual(model.toSorted(byRank))
      }
      const drained: number[] = []
      for (let item = heap.first(); item !== undefined; item = heap.first()) {
        drained.push(item.rank)
        heap.remove(item)
      }
      expect(drained).toEqual(model.map(({ rank }) => rank).toSorted((left, right) => left - right))
    }),
  )
})
