import { createResponseStore, ignoreUnavailable } from '../../src/store/responses.ts'

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
  const stored = { id: `resp_${n}`, reply: { n, text: 'x'.repeat(n % 5_000) }, input: [{ n }] }
  // On a full disk it goes on, as a gateway does.
  await store.put('ann', stored).catch(ignoreUnavailable)
  process.stdout.write(`${n}\n`)
}
