import type { GatewayError } from './errors.ts'

/** Longest quotation, in characters. */
const longestQuote = 300
/** Characters that are searched for credentials. Some of the patterns take the square of the length. */
const longestSearched = 4000

/** Replaces a credential. */
export const removed = '[redacted]'

/**
 * Shapes of credentials in general: web tokens (also cut short), and keys in the shapes that vendors use. The value
 * after a name such as `Authorization` is matched by `namedCredential`.
 */
const credentials = [
  /eyJ[\w-]*\.[\w-]*(?:\.[\w-]*)?/g,
  /\b(?:sk|key|z2a)[-_][\w-]{8,}/g,
  /[\w-]{16,}\.[\w-]{8,}/g,
  /\b(?:bearer|basic)\s+[\w.~+/=-]{6,}/gi,
]

const namedCredential =
  /(\b(?:proxy-)?authorization|\b(?:x-)?(?:goog-)?api[-_ ]?key|\b(?:set-)?cookie|\b(?:access|refresh|id|auth)?[-_]?token|\b(?:client[-_])?secret|\bpassword)(\\?["']?\s*[:=]\s*\\?["']?)((?:bearer|basic|token)\s+)?([^\s"'\\,;&<>(){}[\]]{4,})/gi

/** Removes everything that looks like a credential. */
function withoutCredentials(text: string): string {
  const named = text.replace(namedCredential, (_all, name: string, between: string) => `${name}${between}${removed}`)
  return credentials.reduce((rest, pattern) => rest.replace(pattern, removed), named)
}

/**
 * Quotes what an upstream said, for an error that a client reads: one line of at most 300 characters, without
 * credentials. A word that the cut would split is left out, because half of a secret is secret too.
 */
export function quote(text: string): string {
  const isCut = text.length > longestSearched
  const searched = isCut ? withoutLastWord(text.slice(0, longestSearched)) : text
  const line = withoutCredentials(searched.replace(/\s+/g, ' ').trim())
  if (line.length > longestQuote) return `${withoutLastWord(line.slice(0, longestQuote - 1))}…`
  return isCut ? `${line}…` : line
}

/** The text without the word that a cut may have split. */
function withoutLastWord(cut: string): string {
  return cut
    .replace(/[\x21-\x7e]+$/, '')
    .trimEnd()
    .toWellFormed()
}

/** Removes known secrets from a text. */
export type Redact = (text: string) => string

/** The same error with known secrets removed from its message. */
export function redactError(error: GatewayError, redact: Redact): GatewayError {
  const message = redact(error.message)
  return message === error.message ? error : error.with({ message })
}
