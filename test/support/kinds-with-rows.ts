import type { UpstreamKinds } from '../../src/upstreams/upstream-kind.ts'

/** The kinds that an error about a row names: `openai-compatible or zai-api`. */
export function kindsWithRows(kinds: UpstreamKinds): string {
  // British English has no comma in front of `or`.
  const list = new Intl.ListFormat('en-GB', { type: 'disjunction' })
  return list.format(kinds.flatMap(({ id, row }) => (row === undefined ? [] : [id])))
}
