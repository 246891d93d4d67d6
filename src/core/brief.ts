/** Characters of a name that a client gave something. */
const longestName = 100
/** Characters of many of them: clients refuse replies whose headers have more than 16,384 in all. */
const longestList = 1_000

/** What a client calls something, for errors, headers and the log: long enough to know it again. */
export function brief(name: string, longest = longestName): string {
  const short = name.length <= longest ? name : `${name.slice(0, longest)}...`
  // Half a character, at the cut or in what came, is nothing that every client can print.
  return short.toWellFormed()
}

/** The path of a field: keys that are no words stand in quotes. */
export function fieldPath(keys: readonly string[]): string {
  return keys.map((key) => (/^[\w-]+$/.test(key) ? brief(key) : JSON.stringify(brief(key)))).join('.')
}

/** As many names as a line has room for, and how many more there are. */
export function listed(names: readonly string[], separator = ', '): string {
  let list = ''
  for (const [place, name] of names.entries()) {
    const longer = place === 0 ? brief(name) : list + separator + brief(name)
    if (longer.length > longestList) return `${list}${separator}and ${names.length - place} more`
    list = longer
  }
  return list
}
