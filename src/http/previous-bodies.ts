import type { Clock } from '../core/clock.ts'
import { isRecord } from '../core/json.ts'
import { recentByOwner } from '../core/recent-by-owner.ts'
import { type BodyShape, closingQuote, type KnownPrefix, type ListShape } from './body-shape.ts'

/**
 * The most recent bodies. Each request of an agent repeats the previous one and adds a little, so only the new part has
 * to be parsed. The parsed values of the old part are shared between requests, so a body must never be changed.
 */
export interface PreviousBodies {
  of(owner: string): PreviousBodiesOfOwner
}

export interface PreviousBodiesOfOwner {
  /** The longest prefix that a body, as UTF-8, shares with a previous one. */
  longestPrefixOf(bytes: Buffer): SharedPrefix | undefined
  add(bytes: Buffer, body: unknown, shape: BodyShape, prefix?: SharedPrefix): void
}

/** The start of a body up to a comma of its longest list. */
export interface SharedPrefix extends KnownPrefix {
  /** Bytes, the comma included. */
  length: number
  values: number
  /** What `JSON.parse` makes of a body with this prefix and without members of the same name. Errors: SyntaxError. */
  parseRest(bytes: Buffer): object
  previous: PreviousBody
}

interface PreviousBody {
  bytes: Buffer
  body: Readonly<Record<string, unknown>>
  memberNames: readonly number[]
  list: ListShape
}

export function createPreviousBodies(clock: Clock): PreviousBodies {
  const recent = recentByOwner<PreviousBody>(clock)

  return {
    of: (owner) => ({
      longestPrefixOf(bytes) {
        let best: SharedPrefix | undefined
        for (const previous of recent.of(owner)) {
          const comma = lastSharedComma(bytes, previous)
          if ((previous.list.commas[comma] ?? 0) > (best?.length ?? 0)) best = prefixOf(previous, comma)
        }
        return best
      },
      add(bytes, body, { memberNames, longestList: list, values }, prefix) {
        if (!isRecord(body) || !list || list.commas.length === 0 || hasDuplicateNames(body, memberNames)) return
        // A conversation that goes on takes the place of its former state. One that branched off early does not.
        const isContinued = prefix && prefix.length > prefix.previous.bytes.length / 2
        const replaced = isContinued ? prefix.previous : undefined
        recent.add(owner, { bytes, body, memberNames, list }, { bytes: bytes.length, values }, replaced)
      },
    }),
  }
}

/** Whether two members have the same name: the last one counts, which the shape of the body does not tell. */
export function hasDuplicateNames(body: object, memberNames: readonly number[]): boolean {
  return memberNames.length !== Object.keys(body).length
}

/** The index of the last comma of the list up to which the bodies are the same, or -1. */
function lastSharedComma(bytes: Buffer, { bytes: previous, list: { commas } }: PreviousBody): number {
  let shared = -1
  let differing = commas.length
  let known = 0
  while (differing - shared > 1) {
    // The usual case is tried first: all of it is shared.
    const index = shared < 0 && differing === commas.length ? commas.length - 1 : (shared + differing) >> 1
    const end = (commas[index] ?? 0) + 1
    if (end <= bytes.length && bytes.compare(previous, known, end, known, end) === 0) {
      shared = index
      known = end
    } else differing = index
  }
  return shared
}

function prefixOf(previous: PreviousBody, comma: number): SharedPrefix {
  const { list, memberNames } = previous
  const length = (list.commas[comma] ?? 0) + 1
  return {
    ...{ memberNames, list, comma, length, previous },
    values: list.valuesBefore[comma] ?? 0,
    parseRest: (bytes) => withRest(previous, comma, bytes.toString('utf8', length)),
  }
}

function withRest({ bytes, body, memberNames, list }: PreviousBody, comma: number, rest: string): object {
  const names = memberNames
    .slice(0, list.membersBefore + 1)
    .map((at) => bytes.toString('utf8', at, closingQuote(bytes, at) + 1))
  const before = names.slice(0, -1).map((json) => {
    const name: string = JSON.parse(json)
    return [name, body[name]] as const
  })
  const ownName = names.at(-1) ?? ''
  const listName: string = JSON.parse(ownName)
  // One placeholder item stands for all known items, because a list cannot end after a comma.
  const { [listName]: items, ...behind } = JSON.parse(`{${ownName}:[0,${rest}`)
  return {
    ...Object.fromEntries(before),
    [listName]: [...listOf(body[listName]).slice(0, comma + 1), ...listOf(items).slice(1)],
    ...behind,
  }
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
