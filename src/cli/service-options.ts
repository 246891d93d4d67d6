import { didYouMean, printable, UsageError } from '../config/usage-error.ts'

export const serviceActions = {
  install: 'write its files, start it, and start it again with the machine',
  status: 'say whether it runs and answers',
  logs: 'print its log',
  restart: 'stop and start it; most settings need none',
  uninstall: 'stop and remove it',
} as const

export interface ServiceOptions {
  action: keyof typeof serviceActions
  /** `undefined`: for all users if root asks, else for this user. */
  scope: 'system' | 'user' | undefined
  dryRun: boolean
  follow: boolean
  purge: boolean
}

/** What follows `zai2api service`. Errors: UsageError. */
export function serviceOptions([word, extra]: readonly string[], given: ReadonlyMap<string, string>): ServiceOptions {
  const names = Object.keys(serviceActions)
  if (word === undefined) throw new UsageError(`zai2api service needs to be told what to do: ${names.join(', ')}`)
  if (!isAction(word))
    throw new UsageError(
      `unknown action ${printable(word)} of zai2api service; ${didYouMean(word, names)}allowed: ${names.join(', ')}`,
    )
  if (extra !== undefined) throw new UsageError(`unexpected argument ${printable(extra)} on the command line`)
  if (given.has('user') && given.has('system')) throw new UsageError('--user and --system exclude each other')
  return {
    action: word,
    scope: given.has('user') ? 'user' : given.has('system') ? 'system' : undefined,
    dryRun: given.has('dry-run'),
    follow: given.has('follow'),
    purge: given.has('purge'),
  }
}

function isAction(word: string): word is ServiceOptions['action'] {
  return Object.hasOwn(serviceActions, word)
}
