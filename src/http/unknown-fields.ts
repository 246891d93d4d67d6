import type { TSchema } from '@sinclair/typebox'
import { isRecord } from '../core/json.ts'
import { fieldPath } from '../core/truncate.ts'

/** The most fields that are named, because a header has no room for more. */
const mostNames = 20

/**
 * The names of the top-level fields that a dialect does not read, so that none is ignored silently. Keys that are not
 * words are quoted. Null counts as missing.
 */
export function unknownFields(body: unknown, schema: TSchema): string[] {
  const { properties } = schema
  if (!isRecord(body) || !isRecord(properties)) return []
  const unknown: string[] = []
  for (const name in body) if (!Object.hasOwn(properties, name) && body[name] !== null) unknown.push(name)
  const names = unknown.slice(0, mostNames).map((name) => fieldPath([name]))
  const more = unknown.length - names.length
  return more === 0 ? names : [...names, `${more} more unknown fields`]
}
