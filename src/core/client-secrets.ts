import { createSecretFinder, type TextRange, withoutRanges } from './known-secrets.ts'
import type { Redact } from './redact.ts'

/** The most secrets, and the most characters of all together: more than any client has for its servers. */
const mostSecrets = 200
const mostCharacters = 65_536
/** About 5 ms of searching. Only a text made of pieces of the secrets takes that long. */
const mostSteps = 5_000_000

/**
 * Finds secrets that a client has chosen, as `createSecretFinder` does, but in limited time: if there are too many secrets,
 * or too many places that resemble one, the whole text counts as secret.
 */
export function createClientSecretFinder(secrets: readonly string[]): (text: string) => TextRange[] {
  const distinct = [...new Set(secrets)]
  const characters = distinct.reduce((sum, { length }) => sum + length, 0)
  if (distinct.length > mostSecrets || characters > mostCharacters)
    return (text) => (text === '' ? [] : [[0, text.length]])
  return createSecretFinder(distinct, mostSteps)
}

/** Removes what `createClientSecretFinder` finds. */
export function createClientRedactor(secrets: readonly string[]): Redact {
  const find = createClientSecretFinder(secrets)
  return (text) => withoutRanges(find(text), text)
}
