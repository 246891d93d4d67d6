import fc from 'fast-check'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** One mutation of a value. `at` chooses the position, `how` the kind of change. */
interface Mutation {
  at: number
  how:
    | { type: 'drop' | 'twice' | 'huge' }
    | { type: 'replace'; by: Json }
    | { type: 'add'; key: string; by: Json }
    | { type: 'nest'; depth: number }
}

const longText = 'x'.repeat(20_000)

/** Values of every JSON type, and values that parsers often handle wrong. */
const anyValue: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json[]>(
    null,
    true,
    false,
    0,
    -1,
    0.5,
    1e308,
    2 ** 53,
    '',
    ' ',
    '\u0000',
    '\ud800',
    [],
    {},
    [[]],
    [null],
  ),
  fc.constantFrom<Json[]>(
    '__proto__',
    'constructor',
    'toString',
    'text',
    'function',
    'user',
    'auto',
    '[DONE]',
    '../..',
  ),
  fc.string({ unit: 'binary' }),
  fc.jsonValue({ maxDepth: 2 }).map((value): Json => JSON.parse(JSON.stringify(value))),
)

const keys = fc.constantFrom(
  '__proto__',
  'constructor',
  'type',
  'role',
  'content',
  'name',
  '',
  '0',
  'a.b',
  'a/b',
  'length',
)

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(),
  how: fc.oneof(
    { arbitrary: fc.record({ type: fc.constant('replace'), by: anyValue }), weight: 5 },
    { arbitrary: fc.record({ type: fc.constantFrom('drop', 'twice', 'huge') }), weight: 3 },
    { arbitrary: fc.record({ type: fc.constant('add'), key: keys, by: anyValue }), weight: 2 },
    {
      arbitrary: fc.record({ type: fc.constant('nest'), depth: fc.constantFrom(1, 2, 30, 240, 260, 2_000) }),
      weight: 1,
    },
  ),
})

/** One of `samples` with one to four mutations. */
export function mutated(samples: readonly Json[]): fc.Arbitrary<Json> {
  return fc
    .tuple(fc.constantFrom(...samples), fc.array(mutation, { minLength: 1, maxLength: 4 }))
    .map(([sample, mutations]) => mutations.reduce(mutate, sample))
}

function mutate(value: Json, { at, how }: Mutation): Json {
  const places = placesIn(value)
  return changed(value, places[at % places.length] ?? [], how)
}

type Place = readonly (string | number)[]

function placesIn(value: Json, here: Place = []): Place[] {
  if (here.length > 30 || value === null || typeof value !== 'object') return [here]
  const inner = Array.isArray(value) ? value.map((item, at) => [at, item] as const) : Object.entries(value)
  return [here, ...inner.flatMap(([key, item]) => placesIn(item, [...here, key]))]
}

function changed(value: Json, [key, ...rest]: Place, how: Mutation['how']): Json {
  if (key === undefined) return replacement(value, how)
  if (Array.isArray(value)) {
    const at = Number(key)
    const item = value[at] ?? null
    if (rest.length > 0 || !(how.type === 'drop' || how.type === 'twice'))
      return value.with(at, changed(item, rest, how))
    const times = how.type === 'drop' ? 0 : 2
    return [...value.slice(0, at), ...Array.from({ length: times }, () => item), ...value.slice(at + 1)]
  }
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).flatMap(([name, item]): [string, Json][] => {
    if (name !== key) return [[name, item]]
    return rest.length === 0 && how.type === 'drop' ? [] : [[name, changed(item, rest, how)]]
  })
  return Object.fromEntries(entries)
}

function replacement(value: Json, how: Mutation['how']): Json {
  switch (how.type) {
    case 'drop':
      return null
    case 'twice':
      return [value, value]
    case 'huge':
      return typeof value === 'string' ? longText : Array.from({ length: 200 }, () => value)
    case 'replace':
      return how.by
    case 'add':
      // Entries make `__proto__` a key like any other.
      return value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries([...Object.entries(value), [how.key, how.by]])
        : { [how.key]: how.by }
    case 'nest': {
      let nested = value
      for (let depth = 0; depth < how.depth; depth++) nested = depth % 2 === 0 ? [nested] : { content: nested }
      return nested
    }
    default:
      return how satisfies never
  }
}

/** Bytes with one to six mutations: flipped, removed, repeated or inserted. */
export function mutatedBytes(samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const edit = fc.record({
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 400 })),
    how: fc.oneof(
      fc.constantFrom('drop', 'twice', 'end'),
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      fc.constantFrom(...strewn.map((text) => new TextEncoder().encode(text))),
    ),
  })
  return fc.tuple(fc.constantFrom(...samples), fc.array(edit, { minLength: 1, maxLength: 6 })).map(([sample, edits]) =>
    edits.reduce((bytes, { from, length, how }) => {
      const start = Math.floor(from * bytes.length)
      const piece = bytes.subarray(start, start + length)
      const after = bytes.subarray(start + length)
      const middle = how === 'drop' || how === 'end' ? [] : how === 'twice' ? [piece, piece] : [how]
      return new Uint8Array(Buffer.concat([bytes.subarray(0, start), ...middle, ...(how === 'end' ? [] : [after])]))
    }, new Uint8Array(sample)),
  )
}

const strewn = [
  '\n',
  '\r\n\r\n',
  '\n\ndata: ',
  'data: [DONE]\n\n',
  '"',
  '\\',
  '{',
  '}',
  ']',
  'null',
  '\\ud800',
  '\ufeff',
  '\0',
  '<tool_call>',
  '</details>',
  '-1e999',
  '"error":{"code":"1302"},',
]
