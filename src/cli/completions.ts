import { flagOf, settingList } from '../config/table.ts'
import { onOff } from '../config/value-kinds.ts'
import { clientSetups } from './clients/index.ts'
import { type CommandName, commandTable, rowOf } from './command-table.ts'
import { databaseActions } from './db-actions.ts'
import { keyActions, keyFlags } from './key-actions.ts'
import { serviceActions } from './service-options.ts'

interface Choice {
  word: string
  about: string
}

interface CommandChoices extends Choice {
  flags: Choice[]
  /** What may follow the command. */
  words: Choice[]
  /** The arguments that follow belong to another program. */
  passesOn: boolean
}

/** The shells that completions are written for. */
export const completionShells = { bash, zsh, fish, powershell } as const

export type CompletionShell = keyof typeof completionShells

function choices(): CommandChoices[] {
  return commandNames.map((name) => {
    const { about, flags, takes, options = {} } = rowOf(name)
    const own = Object.entries(options).map(([option, row]) => ({ word: `--${option}`, about: row.about }))
    // A member of a key is meant where a setting has the same name.
    const sorted = flags.toSorted((one, other) => Number(other === 'key') - Number(one === 'key'))
    const given = uniqueWords(sorted.flatMap((kind) => flagsOf[kind]))
    return { word: name, about, flags: [...own, ...given, help], words: wordsOf(name), passesOn: takes === 'arguments' }
  })
}

function uniqueWords(choices: readonly Choice[]): Choice[] {
  return choices.filter(({ word }, at) => choices.findIndex((other) => other.word === word) === at)
}

const commandNames = Object.keys(commandTable) as CommandName[]

const help = { word: '--help', about: 'Print the help of the command.' }

const flagsOf: Record<'settings' | 'json' | 'offline' | 'shell' | 'key', Choice[]> = {
  settings: [
    ...settingList.flatMap((setting) => {
      const name = flagOf(setting)
      if (name === undefined) return []
      const { about } = setting
      const negated = setting.kind === onOff ? [{ word: `--no-${name}`, about }] : []
      return [{ word: `--${name}`, about }, ...negated]
    }),
    { word: '--config', about: 'A TOML file with settings.' },
  ],
  json: [{ word: '--json', about: 'Print JSON.' }],
  offline: [{ word: '--offline', about: 'Ask nothing of the network.' }],
  shell: [{ word: '--shell', about: 'The shell to write for.' }],
  key: Object.entries(keyFlags).map(([name, { about }]) => ({ word: `--${name}`, about })),
}

function wordsOf(command: CommandName): Choice[] {
  switch (rowOf(command).takes) {
    case 'client':
      return Object.keys(clientSetups).map((word) => ({ word, about: 'Client' }))
    case 'action':
      return Object.entries(keyActions).map(([word, { about }]) => ({ word, about }))
    case 'database':
      return Object.entries(databaseActions).map(([word, { about }]) => ({ word, about }))
    case 'service':
      return Object.entries(serviceActions).map(([word, about]) => ({ word, about }))
    case 'shell':
      return Object.keys(completionShells).map((word) => ({ word, about: 'Shell' }))
    case 'topic':
      return [
        ...commandNames.map((word) => ({ word, about: rowOf(word).about })),
        { word: 'settings', about: 'All settings.' },
        ...settingList.map(({ env, about }) => ({ word: env, about })),
      ]
    default:
      return []
  }
}

function wordList(list: readonly Choice[]): string {
  return list.map(({ word }) => word).join(' ')
}

function bash(): string {
  const table = choices()
  const cases = table.map(({ word, flags, words, passesOn }) =>
    passesOn ? `    ${word}) return ;;` : `    ${word}) flags='${wordList(flags)}' words='${wordList(words)}' ;;`,
  )
  const [first] = table
  return `# eval "$(zai2api completions bash)", or into /etc/bash_completion.d/zai2api
_zai2api() {
  local current=\${COMP_WORDS[COMP_CWORD]} command='' flags='${wordList(first?.flags ?? [])}' words='${wordList(table)}' at
  for ((at = 1; at < COMP_CWORD; at++)); do
    case \${COMP_WORDS[at]} in
      ${table.map(({ word }) => word).join('|')}) command=\${COMP_WORDS[at]}; break ;;
    esac
  done
  case $command in
    '') flags='${wordList([...flagsOf.settings, help])}' ;;
${cases.join('\n')}
  esac
  if [[ $current == -* ]]; then words=$flags; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _zai2api zai2api
`
}

function zsh(): string {
  const described = (list: readonly Choice[]) => list.map(({ word, about }) => quotedZsh(`${word}:${about}`)).join(' ')
  const table = choices()
  const cases = table.map(({ word, flags, words, passesOn }) => {
    if (passesOn) return `    ${word}) _default; return ;;`
    const rest = flags.filter((flag) => !flagsOf.settings.includes(flag))
    const settings = rest.length === flags.length ? '' : ' $settings'
    return `    ${word}) flags=(${described(rest)}${settings}) choices=(${described(words)}) ;;`
  })
  return `#compdef zai2api
# eval "$(zai2api completions zsh)" behind compinit, or as _zai2api into a folder of $fpath
_zai2api() {
  local command='' word
  local -a settings flags choices
  settings=(${described(flagsOf.settings)})
  for word in \${words[2,CURRENT-1]}; do
    case $word in
      ${table.map(({ word }) => word).join('|')}) command=$word; break ;;
    esac
  done
  case $command in
    '') flags=($settings ${described([help])}) choices=(${described(table)}) ;;
${cases.join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then _describe 'flag' flags; else _describe 'argument' choices || _default; fi
}
compdef _zai2api zai2api
`
}

/** `_describe` splits a word from its meaning at the first colon. */
function quotedZsh(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function fish(): string {
  const quoted = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`
  const table = choices()
  const names = wordList(table)
  const commands = table.map(
    ({ word, about }) =>
      `complete -c zai2api -f -n 'not __fish_seen_subcommand_from ${names}' -a ${word} -d ${quoted(about)}`,
  )
  const open = table.filter(({ passesOn }) => !passesOn)
  const after = (...commands: string[]) => `-n '__fish_seen_subcommand_from ${commands.join(' ')}'`
  const words = open.flatMap((command) =>
    command.words.map(
      (each) => `complete -c zai2api -f ${after(command.word)} -a ${each.word} -d ${quoted(each.about)}`,
    ),
  )
  // Each flag once, for all commands that have it.
  const flags = new Map(open.flatMap((command) => command.flags.map((flag) => [flag.word, flag.about] as const)))
  const rest = [...flags].map(([word, about]) => {
    const having = open.filter((command) => command.flags.some((flag) => flag.word === word))
    const condition = after(...having.map((command) => command.word))
    return `complete -c zai2api ${condition} -l ${word.slice(2)} -d ${quoted(about)}`
  })
  return `# zai2api completions fish > ~/.config/fish/completions/zai2api.fish\n${[...commands, ...words, ...rest].join('\n')}\n`
}

function powershell(): string {
  const quoted = (text: string) => `'${text.replace(/['\u2018-\u201b]/g, '$&$&')}'`
  const listed = (list: readonly Choice[]) => `@(${list.map(({ word }) => quoted(word)).join(', ')})`
  const table = choices()
  const rows = table
    .filter(({ passesOn }) => !passesOn)
    .map(({ word, flags, words }) => `    ${quoted(word)} = @{ flags = ${listed(flags)}; words = ${listed(words)} }`)
  return `# zai2api completions powershell | Out-String | Invoke-Expression, also in $PROFILE
Register-ArgumentCompleter -Native -CommandName zai2api -ScriptBlock {
  param($current, $line, $position)
  $table = @{
${rows.join('\n')}
  }
  $typed = $line.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() }
  $command = $typed | Where-Object { $_ -in ${listed(table)} -and $_ -ne $current } | Select-Object -First 1
  $choices = if ($command) { $table[$command] } else { @{ flags = ${listed([...flagsOf.settings, help])}; words = ${listed(table)} } }
  if (-not $choices) { return }
  $list = if ($current -like '-*') { $choices.flags } else { $choices.words }
  $list | Where-Object { $_ -like "$current*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`
}
