import { grouped } from '../config/documents.ts'
import type { Setting } from '../config/setting.ts'
import { flagOf } from '../config/table.ts'
import { onOff } from '../config/value-kinds.ts'
import { productSummary } from '../core/product-summary.ts'
import { commandTable } from './command-table.ts'

/** The page of `man zai2api`, in roff with the macros of man(7). `date` is that of the release: `2026-11-30`. */
export function manPage(version: string, date: string): string {
  const commands = Object.entries(commandTable).map(
    ([name, { about }]) => `.TP\n.B ${escaped(name)}\n${escaped(about)}`,
  )
  const sections = grouped().map(
    ({ title, members }) => `.SS ${escaped(title)}\n${members.map(settingEntry).join('\n')}`,
  )
  return `.TH ZAI2API 1 "${date}" "zai2api ${escaped(version)}"
.SH NAME
zai2api \\- the ${productSummary}
.SH SYNOPSIS
.B zai2api
.RI [ command ]
.RI [ flags ]
.SH DESCRIPTION
A gateway on this machine that gives programs written for the APIs of OpenAI, Anthropic, Google and Ollama the GLM models of Z.AI.
.SH COMMANDS
${commands.join('\n')}
.SH SETTINGS
Each is a flag, an environment variable, a line of .env in the working directory, and, in lower case, a key of zai2api.toml
in the working directory or the user's folder. The first place in this order that has it wins. Secrets have no flag.
${sections.join('\n')}
.SH FILES
.TP
.I ~/.config/zai2api/zai2api.toml
The user's own settings.
.TP
.I ~/.local/state/zai2api
The database, and the secret by which commands know the user's gateway.
.SH EXIT STATUS
0 on success, 1 if something failed, 2 for a command line or configuration that does not fit.
`
}

function settingEntry(setting: Setting): string {
  const flag = flagOf(setting)
  const usage =
    flag === undefined ? '' : setting.kind === onOff ? `--[no-]${flag}, ` : `--${flag} ${setting.kind.placeholder}, `
  const value = setting.default === '' ? '' : ` Default: ${setting.default}.`
  return `.TP\n.B ${escaped(`${usage}${setting.env}`)}\n${escaped(`${setting.about}${value}`)}`
}

/** roff takes a backslash, a hyphen, and a dot or quote that begins a line for its own. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/, '\\&$&')
}
