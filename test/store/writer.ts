import { createResponseStore } from '../../src/store/responses.ts'

// Killed by the test in the middle of its work: writes rows for ever and says which are stored.
const store = createResponseStore({
  path: Bun.argv[2] ?? '',
  maxBytes: 1e9,
  maxRows: 1e6,
  maxAgeMs: 1e9,
  now: Date.now,
  warn: (message) => console.error(message),
})
for (let n = 0; ; n++) {
  await store.put('ann', { id: `resp_${n}`, reply: { n, text: 'x'.repeat(n % 5_000) }, input: [{ n }] })
  process.stdout.write(`${n}\n`)
}
