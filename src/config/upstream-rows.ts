import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isRecord, parseJson } from '../core/json.ts'
import { rowError } from './row-error.ts'
import { type Kind, list } from './value-kinds.ts'

/** The built-in upstreams. They have settings of their own and are selected by name. */
export const usualUpstreams = ['zai-web', 'zai-api', 'demo'] as const
export type UsualUpstream = (typeof usualUpstreams)[number]

/** How a self-hosted server is asked to reason: by its chat template, by a reasoning effort, or not at all. */
const reasoningStyles = ['template', 'effort', 'none'] as const

const id = Type.String({
  pattern: `^(?!(?:${usualUpstreams.join('|')})$)[a-z0-9][a-z0-9-]{0,39}$`,
  description: 'a name of lower-case letters, digits and -, and none of zai-web, zai-api and demo',
})
const keys = Type.Array(Type.String({ pattern: '^[\\x21-\\x7e]+$', description: 'printable ASCII without spaces' }), {
  uniqueItems: true,
  description: 'a list of keys',
})
const models = Type.Array(Type.String({ pattern: '^\\S+$', description: 'a name without spaces' }), {
  uniqueItems: true,
  minItems: 1,
  description: 'a list of names of models',
})
const base = Type.String({
  pattern: '^https?://[^/@\\s]+(/[^?#\\s]*)?$',
  description: 'an http(s) URL in front of /chat/completions, without user name, such as http://127.0.0.1:8000/v1',
})

/** A server that speaks OpenAI's Chat Completions. */
export const compatibleRow = Type.Object(
  {
    id,
    kind: Type.Literal('openai-compatible'),
    base,
    /** Absent if the server needs no key. */
    keys: Type.Optional(keys),
    /** The models to offer. Default: all models that the server lists. */
    models: Type.Optional(models),
    reasoning: Type.Optional(
      Type.Union(
        reasoningStyles.map((style) => Type.Literal(style)),
        { description: 'one of template, effort and none' },
      ),
    ),
  },
  { additionalProperties: false },
)

/** An additional account of the official API, with keys and service of its own. */
export const officialRow = Type.Object(
  {
    id,
    kind: Type.Literal('zai-api'),
    base: Type.Optional(
      Type.String({
        pattern: '^(general|coding|bigmodel|bigmodel-coding|https?://[^/@\\s]+/\\S*v4/?)$',
        description: 'general, coding, bigmodel, bigmodel-coding or an http(s) URL that ends in /v4',
      }),
    ),
    keys: Type.Array(keys.items, { ...keys, minItems: 1 }),
    models: Type.Optional(models),
  },
  { additionalProperties: false },
)

const row = Type.Union([compatibleRow, officialRow])
export type UpstreamRow = Static<typeof row>

const usual = Type.Union(usualUpstreams.map((name) => Type.Literal(name)))
/** A built-in upstream as a TOML row, which has to be a table. */
const named = Type.Object({ id: usual }, { additionalProperties: false })
const schema = Type.Array(Type.Union([usual, named, row]), { minItems: 1 })
type WrittenUpstream = Static<typeof schema>[number]

/** One configured upstream. `row` is absent for a built-in one. */
export type UpstreamInstance = { id: UsualUpstream; row?: undefined } | { id: string; row: UpstreamRow }

const names = list('NAMES', `one or more of ${usualUpstreams.join(', ')}, separated by commas`, usual)

/** Names of built-in upstreams and rows of other ones: `[[upstreams]]` of the configuration file, or the same as JSON. */
export const upstreamRows = {
  schema,
  read: (text) => (text.startsWith('[') ? parseJson(text) : names.read(text.toLowerCase())),
  allowed: names.allowed,
  placeholder: names.placeholder,
  problem,
} satisfies Kind

export function instanceOf(written: WrittenUpstream): UpstreamInstance {
  if (typeof written === 'string') return { id: written }
  return 'kind' in written ? { id: written.id, row: written } : { id: written.id }
}

/** Whether any row holds keys. `written` is the value of a source: TOML tables or a JSON text. */
export function holdsKeys(written: unknown): boolean {
  const rows = typeof written === 'string' ? parseJson(written) : written
  return Array.isArray(rows) && rows.some((one) => isRecord(one) && Array.isArray(one.keys) && one.keys.length > 0)
}

/** An id that two instances share; `undefined` if all ids differ. */
export function doubledId(instances: readonly UpstreamInstance[]): string | undefined {
  return instances.find(({ id: one }, index) => instances.findIndex(({ id: other }) => other === one) !== index)?.id
}

function problem(rows: unknown): string | undefined {
  if (!Array.isArray(rows) || !rows.some(isRecord)) return undefined
  const index = rows.findIndex((one) => !isRecord(one) && !usualUpstreams.some((name) => name === one))
  if (index >= 0)
    return `upstreams[${index}] must be a row with id, kind and base, or one of ${usualUpstreams.join(', ')}`
  for (const [at, one] of rows.entries()) {
    if (!isRecord(one) || Value.Check(named, one)) continue
    if (usualUpstreams.some((name) => name === one.id))
      return `upstreams[${at}]: ${one.id} is set up by settings of its own, so its row is an id and nothing else`
    const kind = rowKinds.find((known) => known.properties.kind.const === one.kind)
    if (kind === undefined) return `upstreams[${at}].kind must be openai-compatible or zai-api`
    // The row is checked alone, so that the error is about its fields and not about its kind; its index is put back.
    const error = rowError([one], { name: 'upstreams', schema: Type.Array(kind), partAt: () => kind })
    if (error !== undefined) return error.replace('upstreams[0]', `upstreams[${at}]`)
  }
  return undefined
}

const rowKinds = [compatibleRow, officialRow] as const
