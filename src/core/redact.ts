import type { GatewayError } from './errors.ts'

/** Characters of a quotation. */
const longestQuote = 300

/** What stands where a credential was. */
export const removed = '[redacted]'

/**
 * What credentials look like, whoever they belong to: web tokens (also cut short), keys in the shapes vendors give
 * them, and whatever stands behind a name such as `Authorization`, up to the end of its value.
 */
const credentials = [
  /eyJ[\w-]*\.[\w-]*(?:\.[\w-]*)?/g,
  /\b(?:sk|key|z2a)[-_][\w-]{8,}/g,
  /[\w-]{16,}\.[\w-]{8,}/g,
  /\b(?:bearer|basic)\s+[\w.~+/=-]{6,}/gi,
]

const namedCredential =
  /(\b(?:proxy-)?authorization|\b(?:x-)?(?:goog-)?api[-_ ]?key|\b(?:set-)?cookie|\b(?:access|refresh|id|auth)?[-_]?token|\b(?:client[-_])?secret|\bpassword)(\\?["']?\s*[:=]\s*\\?["']?)((?:bearer|basic|token)\s+)?([^\s"'\\,;&<>(){}[\]]{4,})/gi

/** Whatever looks like a credential is taken out of somebody else's text. */
function withoutCredentials(text: string): string {
  const named = text.replace(namedCredential, (_all, name: string, between: string) => `${name}${between}${removed}`)
  return credentials.reduce((rest, pattern) => rest.replace(pattern, removed), named)
}

/**
 * What an upstream says, for an error that a client reads: one line of at most 300 characters, without credentials.
 * A word that the cut would split is left out whole, since half a secret is one, too.
 */
export function quote(text: string): string {
  const line = withoutCredentials(text.replace(/\s+/g, ' ').trim())
  if (line.length <= longestQuote) return line
  const cut = line.slice(0, longestQuote - 1)
  return `${cut
    .replace(/[\x21-\x7e]+$/, '')
    .trimEnd()
    .toWellFormed()}…`
}

/** Takes the secrets out of a text that are known to it. */
export type Redact = (text: string) => string

/** The same error, with a message that any client may read. */
export function redactError(error: GatewayError, redact: Redact): GatewayError {
  const message = redact(error.message)
  return message === error.message ? error : error.with({ message })
}
