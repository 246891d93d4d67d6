import { didYouMean, printable, UsageError } from '../config/usage-error.ts'

/** What can be done with the database of DATABASE_URL. */
export const databaseActions = {
  status: { takesFile: false, about: 'show where it is, its schema, and how many rows it has' },
  migrate: { takesFile: false, about: 'bring its tables up to date, which every start does, too' },
  export: { takesFile: true, about: 'write all rows to a new file, with hashes of keys and stored conversations' },
  import: { takesFile: true, about: 'read such a file into an empty database, of either engine' },
} as const

export type DatabaseInvocation = { action: 'status' | 'migrate' } | { action: 'export' | 'import'; file: string }

/** What follows `zai2api db`. Errors: UsageError. */
export function databaseInvocation([word, file, extra]: readonly string[]): DatabaseInvocation {
  const names = Object.keys(databaseActions)
  if (word === undefined) throw new UsageError(`zai2api db needs to be told what to do: ${names.join(', ')}`)
  const unexpected = (text: string) =>
    new UsageError(`unexpected argument ${printable(text)} on the command line; see zai2api db --help`)
  switch (word) {
    case 'status':
    case 'migrate':
      if (file !== undefined) throw unexpected(file)
      return { action: word }
    case 'export':
    case 'import':
      if (extra !== undefined) throw unexpected(extra)
      if (file === undefined) throw new UsageError(`zai2api db ${word} needs the path of a file`)
      return { action: word, file }
    default:
      throw new UsageError(
        `unknown action ${printable(word)} of zai2api db; ${didYouMean(word, names)}allowed: ${names.join(', ')}`,
      )
  }
}
