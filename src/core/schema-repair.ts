import { invalidField } from './errors.ts'
import { isRecord } from './json.ts'
import type { ChatRequest } from './request.ts'
import { fieldPath, truncate } from './truncate.ts'

type Schema = Record<string, unknown>

/** What the value of a keyword has to be. Other keywords may have any value. */
const keywords = {
  schema: [
    ...['additionalItems', 'additionalProperties', 'contains', 'contentSchema', 'else', 'if', 'not', 'propertyNames'],
    ...['then', 'unevaluatedItems', 'unevaluatedProperties'],
  ],
  schemas: ['allOf', 'anyOf', 'oneOf', 'prefixItems'],
  'schema or schemas': ['items'],
  'named schemas': ['$defs', 'definitions', 'dependentSchemas', 'patternProperties', 'properties'],
  names: ['required'],
  'named names': ['dependentRequired'],
  'named schemas or names': ['dependencies'],
  type: ['type'],
  values: ['enum'],
  text: ['$comment', 'contentEncoding', 'contentMediaType', 'description', 'format', 'title'],
  'exact text': ['$anchor', '$dynamicRef', '$id', '$ref', '$schema', 'pattern'],
  number: ['maximum', 'minimum', 'multipleOf'],
  // Flags in draft 4.
  'number or flag': ['exclusiveMaximum', 'exclusiveMinimum'],
  count: [
    ...['maxContains', 'maxItems', 'maxLength', 'maxProperties', 'minContains', 'minItems', 'minLength'],
    'minProperties',
  ],
  flag: ['deprecated', 'readOnly', 'uniqueItems', 'writeOnly'],
}
type Kind = keyof typeof keywords
const kinds = new Map(
  Object.entries(keywords).flatMap(([kind, names]) => names.map((name): [string, Kind] => [name, kind as Kind])),
)

const typeNames = new Set(['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'])

/**
 * The request with JSON schemas that servers can read. What can mean only one thing is mended: `[]` for `{}` and the
 * reverse, which languages with one empty table write; `required: true` in a property, as in draft 3; numbers and flags as
 * text. A schema without such values stays the same object.
 *
 * Errors: `invalid-request` for anything else of a wrong type, naming the tool and the keyword. Servers answer it with
 * errors of their own, which name neither.
 */
export function withRepairedSchemas(request: ChatRequest): ChatRequest {
  const { tools, output } = request
  const repaired = tools.map((tool) => {
    const parameters = repairedSchema(tool.parameters, (problem) =>
      invalidField('tools', `the schema of ${truncate(tool.name)} is not valid at ${problem}`),
    )
    return parameters === tool.parameters ? tool : { ...tool, parameters }
  })
  const isSame = repaired.every((tool, index) => tool === tools[index])
  if (output.type !== 'json' || output.schema === undefined) return isSame ? request : { ...request, tools: repaired }
  const schema = repairedSchema(output.schema, (problem) =>
    invalidField('response_format', `the schema is not valid at ${problem}`),
  )
  if (isSame && schema === output.schema) return request
  return { ...request, tools: repaired, output: { ...output, schema } }
}

/** Errors: those of `fault`, which receives the path of the keyword and what was expected there. */
export function repairedSchema(schema: Schema, fault: (problem: string) => Error): Schema {
  const position = positionIn(fault)
  const { textOf, typeOf, numberOf, countOf, flagOf } = scalarReaders(position)
  const { listOf, namedOf } = collectionReaders(position)
  return object(schema)

  function object(schema: Schema): Schema {
    let mended: Schema | undefined
    for (const keyword in schema) {
      const kind = kinds.get(keyword)
      if (kind === undefined) continue
      const value = schema[keyword]
      const repaired = position.at(keyword, value, (value) => repairedValue(kind, value))
      if (repaired === value) continue
      mended ??= { ...schema }
      if (repaired === undefined) delete mended[keyword]
      else mended[keyword] = repaired
    }
    const named = requiredByProperties(schema)
    if (named.length === 0) return mended ?? schema
    const { required } = mended ?? schema
    return { ...(mended ?? schema), required: [...new Set([...(Array.isArray(required) ? required : []), ...named])] }
  }

  /** The repaired value; `undefined` for a keyword that says nothing, and is left out. */
  function repairedValue(kind: Kind, value: unknown): unknown {
    switch (kind) {
      case 'schema':
        return schemaOf(value)
      case 'schemas':
        return unlessEmpty(listOf(value, 'a list of schemas', schemaOf))
      case 'schema or schemas':
        return Array.isArray(value) ? unlessEmpty(listOf(value, 'a schema', schemaOf)) : schemaOf(value)
      case 'named schemas':
        return namedOf(value, 'an object of schemas', schemaOf)
      case 'names':
        // In draft 3 a flag of a property, which `requiredByProperties` reads.
        return typeof value === 'boolean' ? undefined : namesOf(value)
      case 'named names':
        return namedOf(value, 'an object of lists', namesOf)
      case 'named schemas or names':
        return namedOf(value, 'an object of schemas or lists', (part) =>
          Array.isArray(part) ? namesOf(part) : schemaOf(part),
        )
      case 'type':
        return typeof value === 'string' ? typeOf(value) : unlessEmpty(listOf(value, 'the name of a type', typeOf))
      case 'values':
        return unlessEmpty(listOf(value, 'a list of values', (value) => value))
      case 'text':
        return typeof value === 'number' || typeof value === 'boolean' ? String(value) : textOf(value)
      case 'exact text':
        return textOf(value)
      case 'number':
        return numberOf(value)
      case 'number or flag':
        return typeof value === 'boolean' ? value : numberOf(value)
      case 'count':
        return countOf(value)
      case 'flag':
        return flagOf(value)
      default:
        return kind satisfies never
    }
  }

  function schemaOf(value: unknown): unknown {
    if (typeof value === 'boolean') return value
    if (isRecord(value)) return object(value)
    return isEmptyList(value) ? {} : position.reject('a schema')
  }

  function namesOf(value: unknown): unknown {
    const names = listOf(value, 'a list of names', textOf)
    return names.length < 2 || new Set(names).size === names.length ? names : [...new Set(names)]
  }
}

/** Where in the schema a value is that is being read. */
interface Position {
  /** Reads a value below the current position. */
  at(key: string, value: unknown, read: (value: unknown) => unknown): unknown
  reject(expected: string): never
}

function positionIn(fault: (problem: string) => Error): Position {
  const path: string[] = []
  return {
    at(key, value, read) {
      path.push(key)
      const repaired = read(value)
      path.pop()
      return repaired
    },
    reject(expected) {
      throw fault(`${truncate(fieldPath(path), longestPath)}: expected ${expected}.`)
    },
  }
}

/** Characters of a path that are shown. */
const longestPath = 300

/** Values without parts. */
function scalarReaders({ reject }: Position) {
  return { textOf, typeOf, numberOf, countOf, flagOf }

  function textOf(value: unknown): unknown {
    return typeof value === 'string' ? value : reject('a string')
  }

  function typeOf(name: unknown): unknown {
    if (typeof name !== 'string') return reject('the name of a type')
    if (typeNames.has(name)) return name
    return typeNames.has(name.toLowerCase()) ? name.toLowerCase() : name
  }

  function numberOf(value: unknown): number {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    return typeof number === 'number' && !Number.isNaN(number) ? number : reject('a number')
  }

  function countOf(value: unknown): number {
    const count = numberOf(value)
    return Number.isInteger(count) && count >= 0 ? count : reject('a whole number, 0 or more')
  }

  function flagOf(value: unknown): boolean {
    if (value === 'true' || value === 'false') return value === 'true'
    return typeof value === 'boolean' ? value : reject('true or false')
  }
}

/** Lists and objects, whose parts are read by `partOf`. One without a changed part stays the same object. */
function collectionReaders({ at, reject }: Position) {
  return { listOf, namedOf }

  function listOf(value: unknown, expected: string, partOf: (part: unknown) => unknown): readonly unknown[] {
    if (!Array.isArray(value)) return isEmptyRecord(value) ? [] : reject(expected)
    let mended: unknown[] | undefined
    for (const [index, part] of value.entries()) {
      const repaired = at(String(index), part, partOf)
      if (repaired === part) continue
      mended ??= [...value]
      mended[index] = repaired
    }
    return mended ?? value
  }

  function namedOf(value: unknown, expected: string, partOf: (part: unknown) => unknown): unknown {
    if (!isRecord(value)) return isEmptyList(value) ? {} : reject(expected)
    const changed: [string, unknown][] = []
    for (const name in value) {
      const part = value[name]
      const repaired = at(name, part, partOf)
      if (repaired !== part) changed.push([name, repaired])
    }
    return changed.length === 0 ? value : Object.fromEntries([...Object.entries(value), ...changed])
  }
}

/** The properties that say of themselves that they are required. */
function requiredByProperties({ properties }: Schema): string[] {
  if (!isRecord(properties)) return []
  const named: string[] = []
  for (const name in properties) {
    const property = properties[name]
    if (isRecord(property) && property.required === true) named.push(name)
  }
  return named
}

/** `undefined` for an empty list: nobody means a rule that no value can meet. */
function unlessEmpty(list: readonly unknown[]): readonly unknown[] | undefined {
  return list.length === 0 ? undefined : list
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

function isEmptyRecord(value: unknown): boolean {
  return isRecord(value) && Object.keys(value).length === 0
}
