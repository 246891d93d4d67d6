import { type Client, type ClientSetup, type ClientTarget, clientSetups } from './client-setups.ts'
import { type Shell, shells } from './shell-syntax.ts'

/** What a client needs, as text for a shell or for the client's own file. */
export function setupText(client: Client, target: ClientTarget, shell: Shell): string {
  const syntax = shells[shell]
  const { snippet, variables, home }: ClientSetup = clientSetups[client]
  if (snippet !== undefined) {
    const key = snippet.key ?? 'ZAI2API_KEY'
    if (key === '') return `# Into ${snippet.file}:\n${snippet.text(target)}\n`
    return `${into(snippet.file, snippet.text(target))}${syntax.set(key, target.key)}\n`
  }
  const lines = variables(target).flatMap(({ name, value, why }) => [
    `# ${why}`,
    value === undefined ? syntax.unset(name) : syntax.set(name, value),
  ])
  const file =
    home === undefined ? '' : into(`~/${home.folder}/${home.file}`, JSON.stringify(home.settings(target), undefined, 2))
  return `${file}${lines.join('\n')}\n`
}

function into(file: string, text: string): string {
  return `# Into ${file}:\n${text}\n\n# Into the start-up file of your shell:\n`
}
