import { type SchemaOptions, type Static, type TObject, type TProperties, type TSchema, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isRecord, parseJson } from '../core/json.ts'
import { visibleWord } from '../core/visible-name.ts'
import type { Config } from './load.ts'
import { rowError } from './row-error.ts'
import { list, type ValueKind } from './value-kinds.ts'

/** The built-in upstreams. They have settings of their own and are selected by name. */
export const builtInUpstreams = ['zai-web', 'zai-api', 'demo'] as const
export type BuiltInUpstream = (typeof builtInUpstreams)[number]

/** What the configuration knows about a kind of upstream. The kinds are passed to it: it imports none of them. */
export interface ConfigurableKind {
  /** The `kind` of its rows, and the id of the built-in upstream of this kind. */
  id: string
  /** The schema of a row of `[[upstreams]]`, made by `rowSchema`. Absent for a kind without rows. */
  row?: TObject
  /** The origin that receives prompts and credentials; `undefined` if nothing is sent. Errors: UsageError. */
  origin(instance: UpstreamInstance, config: Config): string | undefined
}

const id = described(
  Type.String({
    pattern: `^(?!(?:${builtInUpstreams.join('|')})$)[a-z0-9][a-z0-9-]{0,39}$`,
    description: 'a name of lower-case letters, digits and -, and none of zai-web, zai-api and demo',
  }),
  'Your name for it, as in NAME/MODEL, x-zai2api-upstream, /metrics and errors.',
)

/** The schema of the rows of one kind: `id`, `kind` and these fields. */
export function rowSchema<const Name extends string, Fields extends TProperties>(kind: Name, fields: Fields) {
  return Type.Object({ id, kind: Type.Literal(kind), ...fields }, { additionalProperties: false })
}

/**
 * A field with what it is for and, if it has one, the value in force without it. The schema's own `description` says
 * what it must be. Help, documents and errors have all three from here.
 */
export function described<Schema extends TSchema>(schema: Schema, about: string, byDefault?: string): Schema {
  return { ...schema, title: about, ...(byDefault === undefined ? {} : { default: byDefault }) }
}

/** Fields that rows of several kinds have. */
export const rowFields = {
  keys: described(
    Type.Array(Type.String({ pattern: '^[\\x21-\\x7e]+$', description: 'printable ASCII without spaces' }), {
      uniqueItems: true,
      description: 'a list of keys',
    }),
    'Keys, used in turn.',
  ),
  models: described(
    Type.Array(Type.String({ pattern: visibleWord, description: 'a name without spaces' }), {
      uniqueItems: true,
      minItems: 1,
      description: 'a list of names of models',
    }),
    'The only models to offer; without it, all that the server lists.',
  ),
}

/** One field of a row, in words. */
export interface RowField {
  name: string
  about: string
  /** What it must be. */
  allowed: string
  isRequired: boolean
  /** The value in force without it, if it has one. */
  byDefault: string | undefined
}

/** The fields of the rows of one kind, without `kind` itself. */
export function fieldsOf({ properties, required = [] }: TObject): RowField[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const { title: about = '', description: allowed = '', default: byDefault }: SchemaOptions = schema
    if (name === 'kind') return []
    const isRequired = required.includes(name)
    return [{ name, about, allowed, isRequired, byDefault: typeof byDefault === 'string' ? byDefault : undefined }]
  })
}

/** The name of a field of one row, for messages: `keys of home in [[upstreams]]`. */
export function rowSetting(field: string, id: string): string {
  return `${field} of ${id} in [[upstreams]]`
}

/** A row of any kind. Its kind has checked the other fields. */
const anyRow = Type.Object({
  id,
  kind: Type.String(),
  keys: Type.Optional(Type.Array(Type.String())),
})
export type UpstreamRow = Static<typeof anyRow>

const builtIn = Type.Union(builtInUpstreams.map((name) => Type.Literal(name)))
/** A built-in upstream as a TOML row, which has to be a table. */
const named = Type.Object({ id: builtIn }, { additionalProperties: false })
const schema = Type.Array(Type.Union([builtIn, named, anyRow]), { minItems: 1 })
type WrittenUpstream = Static<typeof schema>[number]

/** One configured upstream. `row` is absent for a built-in one. */
export type UpstreamInstance = { id: BuiltInUpstream; row?: undefined } | { id: string; row: UpstreamRow }

const names = list('NAMES', `one or more of ${builtInUpstreams.join(', ')}, separated by commas`, builtIn)

/** Names of built-in upstreams and rows of other ones: `[[upstreams]]` of the configuration file, or the same as JSON. */
export const upstreamRows = {
  schema,
  read: (text) => (text.startsWith('[') ? parseJson(text) : names.read(text.toLowerCase())),
  allowed: names.allowed,
  placeholder: names.placeholder,
} satisfies ValueKind

/** The same with rows of these kinds only, each as its kind wants it. */
export function upstreamRowsOf(kinds: readonly ConfigurableKind[]): ValueKind {
  const rows = kinds.flatMap(({ row }) => (row === undefined ? [] : [row]))
  return {
    ...upstreamRows,
    schema: Type.Array(Type.Union([builtIn, named, ...rows]), { minItems: 1 }),
    problem: (written) => problem(written, kinds),
  }
}

export function instanceOf(written: WrittenUpstream): UpstreamInstance {
  if (typeof written === 'string') return { id: written }
  return 'kind' in written ? { id: written.id, row: written } : { id: written.id }
}

/** The kind of an instance: that of its row, or for a built-in upstream the kind of the same name. */
export function kindOf<Known extends ConfigurableKind>({ id, row }: UpstreamInstance, kinds: readonly Known[]): Known {
  const name = row?.kind ?? id
  const kind = kinds.find((one) => one.id === name)
  if (kind === undefined) throw new Error(`there is no upstream of the kind ${name}`)
  return kind
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

function problem(rows: unknown, kinds: readonly ConfigurableKind[]): string | undefined {
  if (!Array.isArray(rows) || !rows.some(isRecord)) return undefined
  const index = rows.findIndex((one) => !isRecord(one) && !builtInUpstreams.some((name) => name === one))
  if (index >= 0)
    return `upstreams[${index}] must be a row with id, kind and base, or one of ${builtInUpstreams.join(', ')}`
  for (const [at, one] of rows.entries()) {
    if (!isRecord(one) || Value.Check(named, one)) continue
    if (builtInUpstreams.some((name) => name === one.id))
      return `upstreams[${at}]: ${one.id} is set up by settings of its own, so its row is an id and nothing else`
    const row = kinds.find((known) => known.id === one.kind)?.row
    if (row === undefined) return `upstreams[${at}].kind must be ${kindsWithRows(kinds)}`
    // The row is checked alone, so that the error is about its fields and not about its kind; its index is put back.
    const error = rowError([one], { name: 'upstreams', schema: Type.Array(row), partAt: () => row })
    if (error !== undefined) return error.replace('upstreams[0]', `upstreams[${at}]`)
  }
  return undefined
}

/** `openai-compatible or zai-api` */
function kindsWithRows(kinds: readonly ConfigurableKind[]): string {
  const ids = kinds.flatMap((kind) => (kind.row === undefined ? [] : [kind.id]))
  return [ids.slice(0, -1).join(', '), ...ids.slice(-1)].filter((text) => text !== '').join(' or ')
}
