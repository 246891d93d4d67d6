import { UsageError } from '../config/usage-error.ts'

/**
 * The text of a TOML file with other values for some keys at its top. `undefined` removes a key. All other lines stay
 * as they are, comments included.
 *
 * Errors: UsageError where the result would not be what was meant, as with a value of several lines.
 */
export function withTopLevelKeys(text: string, values: Readonly<Record<string, string | undefined>>): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  const firstTable = lines.findIndex((line) => /^\s*\[/.test(line))
  const top = firstTable === -1 ? lines : lines.slice(0, firstTable)
  const tables = firstTable === -1 ? [] : lines.slice(firstTable)
  for (const [key, value] of Object.entries(values)) {
    const at = top.findIndex((line) => new RegExp(`^\\s*${key}\\s*=`).test(line))
    // A string of JSON is also one of TOML.
    const assignment = value === undefined ? [] : [`${key} = ${JSON.stringify(value)}`]
    if (at !== -1) top.splice(at, 1, ...assignment)
    else top.splice(endOf(top), 0, ...assignment)
  }
  const edited = `${[...top, ...tables].join('\n')}\n`
  if (meansTheSame(edited, { ...parsed(text), ...values })) return edited
  throw new UsageError(`${Object.keys(values).join(' and ')} cannot be changed in the file as it is; edit it by hand`)
}

/** The position behind the last line that is not empty, so that an empty line stays in front of the first table. */
function endOf(lines: readonly string[]): number {
  return lines.findLastIndex((line) => line.trim() !== '') + 1
}

function meansTheSame(text: string, expected: object): boolean {
  try {
    return Bun.deepEquals(parsed(text), JSON.parse(JSON.stringify(expected)))
  } catch {
    return false
  }
}

function parsed(text: string): object {
  return { ...Bun.TOML.parse(text) }
}
