/** Longest name from a client that is shown, in characters. */
const maxNameLength = 100
/** Longest list of names, in characters: clients reject responses with more than 16,384 characters of headers. */
const maxListLength = 1_000

/** A name from a client, cut for errors, headers and the log, but long enough to be recognised. */
export function truncate(name: string, longest = maxNameLength): string {
  const short = name.length <= longest ? name : `${name.slice(0, longest)}...`
  // The cut or the client may leave a lone surrogate, which not every client can print.
  return short.toWellFormed()
}

/** The path of a field. Keys with other characters than those of a word are quoted. */
export function fieldPath(keys: readonly string[]): string {
  return keys.map((key) => (/^[\w-]+$/.test(key) ? truncate(key) : JSON.stringify(truncate(key)))).join('.')
}

/** As many names as fit in one line, and the number of the others. */
export function truncateList(names: readonly string[], separator = ', '): string {
  let list = ''
  for (const [index, name] of names.entries()) {
    const longer = index === 0 ? truncate(name) : list + separator + truncate(name)
    if (longer.length > maxListLength) return `${list}${separator}and ${names.length - index} more`
    list = longer
  }
  return list
}
