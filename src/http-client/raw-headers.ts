/**
 * The values of all headers of a name, in lower case, out of names and values in turn. Every response is asked for a few
 * names, so no list of names is made.
 */
export function rawValues(raw: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let at = 0; at + 1 < raw.length; at += 2)
    if (raw[at]?.length === name.length && raw[at]?.toLowerCase() === name) values.push(raw[at + 1] ?? '')
  return values
}
