import type { TryDialect } from './dialect.ts'

const languages = ['curl', 'TypeScript', 'Python'] as const
export type CodeLanguage = (typeof languages)[number]

/** Libraries of the other APIs name the same things differently. */
export const languagesOf = ({ id }: TryDialect): readonly CodeLanguage[] =>
  id === 'gemini' || id === 'ollama' ? ['curl'] : languages

const keyVariable = 'ZAI2API_KEY'
/** In the reader's program, not in this one. */
const environment = ['process', 'env'].join('.')

/** The same request as a program of the reader's own. */
export function codeFor(
  language: CodeLanguage,
  dialect: TryDialect,
  model: string,
  body: Record<string, unknown>,
  root: string,
): string {
  if (language === 'curl') return curl(dialect, model, body, root)
  return language === 'Python' ? python(dialect, body, root) : typescript(dialect, body, root)
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

function typescript({ id }: TryDialect, body: Record<string, unknown>, root: string): string {
  const key = `${environment}.${keyVariable}`
  if (id === 'messages')
    return `import Anthropic from '@anthropic-ai/sdk'

const client = new Anthropic({ baseURL: '${root}', apiKey: ${key} })
const stream = await client.messages.create(${pretty(body)})
for await (const event of stream) console.log(event)`
  const [method, print] = openaiCall(id)
  return `import OpenAI from 'openai'

const client = new OpenAI({ baseURL: '${root}/v1', apiKey: ${key} })
const stream = await client.${method}.create(${pretty(body)})
for await (const event of stream) console.log(${print})`
}

function openaiCall(id: TryDialect['id']): [method: string, print: string] {
  if (id === 'responses') return ['responses', 'event']
  return id === 'chat' ? ['chat.completions', 'event.choices[0]?.delta'] : ['completions', 'event.choices[0]?.text']
}

function python({ id }: TryDialect, body: Record<string, unknown>, root: string): string {
  const key = `os.environ["${keyVariable}"]`
  const values = Object.entries(body)
    .map(([name, value]) => `    ${name}=${literal(value)},`)
    .join('\n')
  const [library, client, base, method] =
    id === 'messages'
      ? ['anthropic', 'anthropic.Anthropic', root, 'messages']
      : ['openai', 'openai.OpenAI', `${root}/v1`, openaiCall(id)[0]]
  return `import os, ${library}

client = ${client}(base_url="${base}", api_key=${key})
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
