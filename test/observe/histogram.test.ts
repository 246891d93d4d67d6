import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { createHistogram } from '../../src/observe/histogram.ts'

const buckets = [0.005, 0.1, 1, 2.5]
const options = { name: 'wait_seconds', help: 'How long it took.', buckets }
const anyMs = fc.oneof(fc.nat(4_000), fc.constantFrom(0, 5, 6, 100, 101, 1_000, 2_500, 2_501))
const anyLabels = fc.constantFrom({ who: 'a', what: 'x' }, { who: 'a', what: 'y"\\\n' })

test('the output is that of prom-client’s own histogram', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyLabels, anyMs)), async (observed) => {
      const theirs = new Registry()
      const theirHistogram = new Histogram({ ...options, labelNames: ['who', 'what'], registers: [theirs] })
      for (const [labels, ms] of observed) theirHistogram.observe(labels, ms / 1000)

      const ours = new Registry()
      const ourHistogram = createHistogram({ ...options, registry: ours })
      const counted = new Map<object, (ms: number) => void>()
      for (const [labels, ms] of observed) {
        const count = counted.get(labels) ?? ourHistogram.of(labels)
        counted.set(labels, count)
        count(ms)
      }

      expect(withoutNoise(await ours.metrics())).toBe(withoutNoise(await theirs.metrics()))
    }),
  )
})

test('a series without observations is not shown', async () => {
  const registry = new Registry()
  createHistogram({ ...options, registry }).of({ who: 'a' })
  expect(await registry.metrics()).toBe('# HELP wait_seconds How long it took.\n# TYPE wait_seconds histogram\n')
})

/** Sums of thousandths and of whole numbers differ in their last places. */
function withoutNoise(page: string): string {
  return page.replace(/(?<=_sum\S* )\S+/g, (sum) => Number(sum).toFixed(6))
}
