import { didYouMean, printable, UsageError } from '../config/usage-error.ts'

/** What can be done with keys, and what each needs. */
export const keyActions = {
  create: { takes: ['members'], about: 'make one; its secret is printed once' },
  list: { takes: [], about: 'show all' },
  show: { takes: ['key'], about: 'show one, and what is left of its budgets' },
  limit: { takes: ['key', 'members'], about: 'change what the flags name; the value `none` takes a limit away' },
  disable: { takes: ['key'], about: 'refuse its requests until it is enabled' },
  enable: { takes: ['key'], about: 'take its requests again' },
  rotate: { takes: ['key'], about: 'give it a new secret; the old one is refused at once' },
  reset: { takes: ['key'], about: 'begin its budgets anew' },
  delete: { takes: ['key'], about: 'remove it for good' },
} as const satisfies Record<string, { takes: readonly ('key' | 'members')[]; about: string }>

export type KeyAction = keyof typeof keyActions

/** The members of a key that flags set, and what each needs. */
export const keyFlags = {
  name: { placeholder: 'NAME', about: 'Who or what uses the key; it stands in every line of the log.' },
  models: {
    placeholder: 'NAMES',
    about: 'Models that it may use, separated by commas; * stands for any run of characters.',
  },
  upstreams: {
    placeholder: 'IDS',
    about: 'Upstreams of the gateway that its requests may go to, separated by commas, also when one fails.',
  },
  dialects: { placeholder: 'NAMES', about: 'APIs that it may use: openai, anthropic, or the ids of /docs.' },
  'mcp-servers': {
    placeholder: 'SERVERS',
    about: 'MCP servers that it may use, of those that MCP_SERVERS allows; off for none.',
  },
  rpm: { placeholder: 'NUMBER', about: 'Requests a minute.' },
  tpm: { placeholder: 'NUMBER', about: 'Tokens a minute, prompts and answers together; 200k is 200,000.' },
  parallel: { placeholder: 'NUMBER', about: 'Requests at the same time.' },
  budget: {
    placeholder: 'BUDGETS',
    about: 'usd:20/month, tokens:2m/day, credits:500/5h; windows: hours, day, week, month, total; several with commas.',
  },
  expires: { placeholder: 'DATE', about: '2027-01-31, 2027-01-31T18:00Z, 30d or never.' },
} as const

export type KeyMembers = Readonly<Partial<Record<keyof typeof keyFlags, string>>>

export interface KeyInvocation {
  action: KeyAction
  /** Id, name or beginning of the secret; absent for `create` and `list`. */
  key: string | undefined
  members: KeyMembers
}

/** What follows `zai2api key`. Errors: UsageError for an unknown action, and for what it does not take. */
export function keyInvocation([word, key, extra]: readonly string[], members: KeyMembers): KeyInvocation {
  const names = Object.keys(keyActions)
  if (word === undefined) throw new UsageError(`zai2api key needs to be told what to do: ${names.join(', ')}`)
  if (!isAction(word))
    throw new UsageError(
      `unknown action ${printable(word)} of zai2api key; ${didYouMean(word, names)}allowed: ${names.join(', ')}`,
    )
  const takes: readonly string[] = keyActions[word].takes
  const unexpected = takes.includes('key') ? extra : key
  if (unexpected !== undefined)
    throw new UsageError(
      `unexpected argument ${printable(unexpected.slice(0, 12))} on the command line; zai2api key ${word} takes ${takes.includes('key') ? 'one key' : 'flags only'}`,
    )
  if (takes.includes('key') && key === undefined)
    throw new UsageError(`zai2api key ${word} needs a key: its name, its id or the beginning of its secret`)
  const [flag] = Object.keys(members)
  if (flag !== undefined && !takes.includes('members'))
    throw new UsageError(`flag --${flag} does not belong to zai2api key ${word}; see zai2api key --help`)
  if (flag === undefined && word === 'limit')
    throw new UsageError(`zai2api key limit needs flags that say what changes, such as --rpm 60`)
  return { action: word, key, members }
}

function isAction(word: string): word is KeyAction {
  return Object.hasOwn(keyActions, word)
}
