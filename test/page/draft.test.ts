import { expect, test } from 'bun:test'
import { signal } from '@preact/signals'
import { type KeyDraft, keyChangeOf, newKeyOf } from '../../src/page/keys/draft.ts'

const draftWith = (typed: { rpm?: string; tpm?: string; parallel?: string }): KeyDraft => ({
  ...{ name: signal('ci'), models: signal(''), upstreams: signal(''), dialects: signal(''), servers: signal('') },
  ...{ rpm: signal(typed.rpm ?? ''), tpm: signal(typed.tpm ?? ''), parallel: signal(typed.parallel ?? '') },
  ...{ budgets: signal([]), expires: signal('') },
})

test('a limit that cannot be read is sent as it was typed, and does not become none', () => {
  const sent = JSON.parse(JSON.stringify(keyChangeOf(draftWith({ rpm: '6o', tpm: 'many', parallel: '1.2.3' }))))
  expect(sent).toMatchObject({ rpm: '6o', tpm: 'many', parallel: '1.2.3' })
  expect(JSON.parse(JSON.stringify(newKeyOf(draftWith({ rpm: '6o' }))))).toEqual({ name: 'ci', rpm: '6o' })
})

test('numbers may have units, and an empty field takes a limit away', () => {
  const sent = JSON.parse(JSON.stringify(keyChangeOf(draftWith({ rpm: '60', tpm: '2m' }))))
  expect(sent).toMatchObject({ rpm: 60, tpm: 2_000_000, parallel: null })
})
