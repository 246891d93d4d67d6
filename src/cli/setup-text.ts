import { type Client, clientSetups } from './clients/index.ts'
import { type ClientSetup, type ClientTarget, indented, keyVariable } from './clients/setup.ts'
import { type Shell, shells } from './shell-syntax.ts'

/** What a client needs, as text for a shell, for the client's own file or for its form. */
export function setupText(client: Client, target: ClientTarget, shell: Shell): string {
  const syntax = shells[shell]
  const { label, note, form, snippet, variables, home }: ClientSetup = clientSetups[client]
  const head = note === undefined ? '' : `# ${note}\n`
  if (form !== undefined) {
    const lines = Object.entries(form.fields(target)).map(([name, value]) => `${name}: ${value}\n`)
    return `${head}# In ${label}, ${form.where}:\n${lines.join('')}`
  }
  if (snippet !== undefined) {
    const key = snippet.key ?? keyVariable
    if (key === '') return `${head}# Into ${snippet.file}:\n${snippet.text(target)}\n`
    return `${head}${into(snippet.file, snippet.text(target))}${syntax.set(key, target.key)}\n`
  }
  const lines = (variables?.(target) ?? []).flatMap(({ name, value, why }) => [
    `# ${why}`,
    value === undefined ? syntax.unset(name) : syntax.set(name, value),
  ])
  const file = home === undefined ? '' : into(`~/${home.folder}/${home.file}`, indented(home.settings(target)))
  return `${head}${file}${lines.join('\n')}\n`
}

function into(file: string, text: string): string {
  return `# Into ${file}:\n${text}\n\n# Into the start-up file of your shell:\n`
}
