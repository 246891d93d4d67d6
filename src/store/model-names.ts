/**
 * The name of a model as a text that PostgreSQL can store, also in JSON. Clients may send any text as a name. NUL and
 * lone surrogates become U+FFFD and four hexadecimal digits, and so does U+FFFD, so that different names stay different.
 */
export function storedModel(name: string): string {
  return name.replaceAll(
    /[\0\ufffd\p{Surrogate}]/gu,
    (unit) => `\ufffd${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The name that `storedModel` has made this text of. */
export function modelOf(stored: string): string {
  return stored.replaceAll(/\ufffd([0-9a-f]{4})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)))
}
