import { type Client, type ClientSetup, type ClientTarget, clientSetups } from './client-setups.ts'
import { type Shell, shells } from './shell-syntax.ts'

/** What a client needs, as text for a shell or for the client's own file. */
export function setupText(client: Client, target: ClientTarget, shell: Shell): string {
  const syntax = shells[shell]
  const { snippet, variables }: ClientSetup = clientSetups[client]
  if (snippet !== undefined) {
    const key = syntax.set('ZAI2API_KEY', target.key)
    return `# Into ${snippet.file}:\n${snippet.text(target)}\n\n# Into the start-up file of your shell:\n${key}\n`
  }
  const lines = variables(target).flatMap(({ name, value, why }) => [
    `# ${why}`,
    value === undefined ? syntax.unset(name) : syntax.set(name, value),
  ])
  return `${lines.join('\n')}\n`
}
