import type { GatewayError } from './errors.ts'

/** Characters of a quotation. */
const longestQuote = 300

/** What stands where a credential was. */
const removed = '[redacted]'

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

/** Takes out secrets that are known, in the spellings in which a text may hold them. */
export type Redact = (text: string) => string

/** Shorter ones would also be found where nobody means them. */
const shortestSecret = 4

export function createRedactor(secrets: readonly string[]): Redact {
  const spellings = new Set(
    secrets
      .flatMap(partsOf)
      .filter((secret) => secret.length >= shortestSecret)
      .flatMap((secret) => [
        secret,
        encodeURIComponent(secret),
        JSON.stringify(secret).slice(1, -1),
        Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      ]),
  )
  if (spellings.size === 0) return (text) => text
  const longestFirst = [...spellings].toSorted((left, right) => right.length - left.length)
  const pattern = new RegExp(longestFirst.map((spelling) => RegExp.escape(spelling)).join('|'), 'g')
  return (text) => text.replace(pattern, removed)
}

/** Of `sk-…` and `<id>.<secret>`, what makes them secret is as good as the whole. */
function partsOf(secret: string): string[] {
  const parts = [secret.replace(/^[a-z0-9]{2,4}[-_]/, ''), secret.split('.').at(-1) ?? '']
  return [secret, ...parts.filter((part) => part.length >= shortestPart)]
}

const shortestPart = 8

/** The same error, with a message that any client may read. */
export function redactError(error: GatewayError, redact: Redact): GatewayError {
  const message = redact(error.message)
  return message === error.message ? error : error.with({ message })
}
