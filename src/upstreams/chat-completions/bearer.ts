/** The header that carries a key; none for '', the key of a server that needs none. */
export function bearer(key: string): Record<string, string> {
  return key === '' ? {} : { authorization: `Bearer ${key}` }
}
