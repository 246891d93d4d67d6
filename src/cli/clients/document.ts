import { defaultSmallModel } from '../../core/default-models.ts'
import { setupText } from '../setup-text.ts'
import { type Client, clientSetups } from './index.ts'
import type { ClientSetup, ClientTarget } from './setup.ts'

const small = { id: defaultSmallModel.toLowerCase() }
const primary = { id: 'glm-5.3', contextTokens: 200_000, maxOutputTokens: 128_000, input: ['text'] }

/** A gateway as in the README, with two models whose numbers stand for those that it has. */
const example: ClientTarget = {
  ...{ url: 'http://127.0.0.1:8080', key: 'your-key', primary, small, named: false },
  file: '/home/you/.local/state/zai2api/codex-models.json',
  models: [primary, small],
}

/** The table of docs/clients.md, as Markdown. */
export function clientsTable(): string {
  const rows = Object.entries(clientSetups).map(([client, setup]: [string, ClientSetup]) =>
    ['', `[${setup.label}](#${anchorOf(setup.label)})`, `\`zai2api env ${client}\``, kindOf(setup), sourceOf(setup), '']
      .join(' | ')
      .trim(),
  )
  return ['| Client | Command | Prints | Source |', '|---|---|---|---|', ...rows, ''].join('\n')
}

/** What the command prints for each client, as Markdown. */
export function clientRecipes(): string {
  return (Object.keys(clientSetups) as Client[])
    .map((client) => {
      const { label, note }: ClientSetup = clientSetups[client]
      const text = `\`\`\`\n${setupText(client, example, 'bash')}\`\`\`\n`
      return `### ${label}\n\n${note === undefined ? '' : `${note}\n\n`}${text}`
    })
    .join('\n')
}

/** The anchor of a heading, as the hosts of Markdown make it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-')
}

function kindOf({ form, snippet, home }: ClientSetup): string {
  if (form !== undefined) return `fields: ${form.where}`
  if (snippet !== undefined) return `text for ${snippet.file}`
  return home === undefined ? 'variables' : `variables, and text for ~/${home.folder}/${home.file}`
}

function sourceOf({ source }: ClientSetup): string {
  return 'ran' in source ? `run against the gateway: ${source.ran}` : `${source.read}; read on ${source.at}`
}
