import type { TryDialect } from './dialect.ts'

const languages = ['curl', 'TypeScript', 'Python'] as const
export type CodeLanguage = (typeof languages)[number]

export const languagesOf = ({ sdk }: TryDialect): readonly CodeLanguage[] => (sdk ? languages : ['curl'])

type Sdk = NonNullable<TryDialect['sdk']>

/** How the libraries name their clients, and the base path that each expects. */
const libraries = {
  openai: { typescript: { name: 'OpenAI', from: 'openai' }, python: 'openai.OpenAI', basePath: '/v1' },
  anthropic: {
    typescript: { name: 'Anthropic', from: '@anthropic-ai/sdk' },
    python: 'anthropic.Anthropic',
    basePath: '',
  },
}

const keyVariable = 'ZAI2API_KEY'
/** `process.env` of the reader's program. It is joined here because no file but that of the configuration may name it. */
const environment = ['process', 'env'].join('.')

/** The code of a program that sends this request. */
export function codeFor(
  language: CodeLanguage,
  dialect: TryDialect,
  model: string,
  body: Record<string, unknown>,
  root: string,
): string {
  const { sdk } = dialect
  if (language === 'curl' || !sdk) return curl(dialect, model, body, root)
  return language === 'Python' ? python(sdk, body, root) : typescript(sdk, body, root)
}

/** The same body to look at: long texts and the data of images are cut. */
export function shortened<Value>(value: Value, most = 400): Value {
  const text = JSON.stringify(value, (_key, each) =>
    typeof each === 'string' && each.length > most ? `${each.slice(0, 60)}…` : each,
  )
  return JSON.parse(text)
}

function curl({ path, keyHeader, headers }: TryDialect, model: string, body: object, root: string): string {
  const [name, value] = keyHeader(`$${keyVariable}`)
  return [
    `curl ${quoted(root + path(model))}`,
    `-H "${name}: ${value}"`,
    `-H "content-type: application/json"`,
    ...Object.entries(headers).map(([header, content]) => `-H "${header}: ${content}"`),
    `-d ${quoted(pretty(body))}`,
  ].join(' \\\n  ')
}

export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const pretty = (value: unknown): string => JSON.stringify(value, null, 2)

function typescript({ library, method, print }: Sdk, body: Record<string, unknown>, root: string): string {
  const {
    typescript: { name, from },
    basePath,
  } = libraries[library]
  return `import ${name} from '${from}'

const client = new ${name}({ baseURL: '${root}${basePath}', apiKey: ${environment}.${keyVariable} })
const stream = await client.${method}.create(${pretty(body)})
for await (const event of stream) console.log(${print})`
}

function python({ library, method }: Sdk, body: Record<string, unknown>, root: string): string {
  const { python: client, basePath } = libraries[library]
  const values = Object.entries(body)
    .map(([name, value]) => `    ${name}=${literal(value)},`)
    .join('\n')
  return `import os, ${library}

client = ${client}(base_url="${root}${basePath}", api_key=os.environ["${keyVariable}"])
stream = client.${method}.create(
${values}
)
for event in stream:
    print(event)`
}

/** JSON's words as Python's. */
function literal(value: unknown): string {
  const text = pretty(value).replaceAll('\n', '\n    ')
  return text.replaceAll(
    /("(?:[^"\\]|\\.)*")|\b(true|false|null)\b/g,
    (_all, string, word) =>
      string ?? ({ true: 'True', false: 'False', null: 'None' } as Record<string, string>)[word] ?? word,
  )
}
