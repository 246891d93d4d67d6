/** Characters of a name that a client gave something. */
const maxNameLength = 100
/** Characters of many of them: clients refuse replies whose headers have more than 16,384 in all. */
const maxListLength = 1_000

/** What a client calls something, for errors, headers and the log: long enough to know it again. */
export function truncate(name: string, longest = maxNameLength): string {
  const short = name.length <= longest ? name : `${name.slice(0, longest)}...`
  // Half a character, at the cut or in what came, is nothing that every client can print.
  return short.toWellFormed()
}

/** The path of a field: keys that are no words stand in quotes. */
export function fieldPath(keys: readonly string[]): string {
  return keys.map((key) => (/^[\w-]+$/.test(key) ? truncate(key) : JSON.stringify(truncate(key)))).join('.')
}

/** As many names as a line has room for, and how many more there are. */
export function truncateList(names: readonly string[], separator = ', '): string {
  let list = ''
  for (const [index, name] of names.entries()) {
    const longer = index === 0 ? truncate(name) : list + separator + truncate(name)
    if (longer.length > maxListLength) return `${list}${separator}and ${names.length - index} more`
    list = longer
  }
  return list
}
