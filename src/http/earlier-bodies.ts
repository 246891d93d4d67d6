import type { Clock } from '../core/clock.ts'
import { isRecord } from '../core/json.ts'
import { recentByOwner } from '../core/recent-by-owner.ts'
import { type BodyShape, closingQuote, type KnownBeginning, type ListShape } from './body-shape.ts'

/**
 * The most recent bodies. Each request of an agent repeats the previous one and adds a little, so only the new part has
 * to be parsed. The parsed values of the old part are shared between requests, so a body must never be changed.
 */
export interface EarlierBodies {
  of(owner: string): EarlierBodiesOfOwner
}

export interface EarlierBodiesOfOwner {
  /** The longest beginning that a body, as UTF-8, shares with an earlier one. */
  beginningOf(bytes: Buffer): SharedBeginning | undefined
  add(bytes: Buffer, body: unknown, shape: BodyShape, beginning?: SharedBeginning): void
}

/** The beginning of a body up to a comma of its longest list. */
export interface SharedBeginning extends KnownBeginning {
  /** Bytes, the comma included. */
  length: number
  values: number
  /** What `JSON.parse` makes of a body with this beginning and without members of the same name. Errors: SyntaxError. */
  goOn(bytes: Buffer): object
  earlier: EarlierBody
}

interface EarlierBody {
  bytes: Buffer
  body: Readonly<Record<string, unknown>>
  memberNames: readonly number[]
  list: ListShape
}

const limits = { maxEach: 8, maxSize: 16 * 1024 * 1024, keepMs: 5 * 60_000 }

export function createEarlierBodies(clock: Clock): EarlierBodies {
  const recent = recentByOwner<EarlierBody>(limits, clock)

  return {
    of: (owner) => ({
      beginningOf(bytes) {
        let best: SharedBeginning | undefined
        for (const earlier of recent.of(owner)) {
          const comma = lastSharedComma(bytes, earlier)
          if ((earlier.list.commas[comma] ?? 0) > (best?.length ?? 0)) best = beginningOf(earlier, comma)
        }
        return best
      },
      add(bytes, body, { memberNames, longestList: list }, beginning) {
        if (!isRecord(body) || !list || list.commas.length === 0 || hasTwins(body, memberNames)) return
        // A conversation that goes on takes the place of its former state. One that branched off early does not.
        const isContinued = beginning && beginning.length > beginning.earlier.bytes.length / 2
        const replaced = isContinued ? beginning.earlier : undefined
        recent.add(owner, { bytes, body, memberNames, list }, bytes.length, replaced)
      },
    }),
  }
}

/** Whether two members have the same name. The last one would count, and an earlier body does not include it. */
export function hasTwins(body: object, memberNames: readonly number[]): boolean {
  return memberNames.length !== Object.keys(body).length
}

/** The index of the last comma of the list up to which the bodies are the same, or -1. */
function lastSharedComma(bytes: Buffer, { bytes: earlier, list: { commas } }: EarlierBody): number {
  let shared = -1
  let differing = commas.length
  let known = 0
  while (differing - shared > 1) {
    // The usual case is tried first: all of it is shared.
    const index = shared < 0 && differing === commas.length ? commas.length - 1 : (shared + differing) >> 1
    const end = (commas[index] ?? 0) + 1
    if (end <= bytes.length && bytes.compare(earlier, known, end, known, end) === 0) {
      shared = index
      known = end
    } else differing = index
  }
  return shared
}

function beginningOf(earlier: EarlierBody, comma: number): SharedBeginning {
  const { list, memberNames } = earlier
  const length = (list.commas[comma] ?? 0) + 1
  return {
    ...{ memberNames, list, comma, length, earlier },
    values: list.valuesBefore[comma] ?? 0,
    goOn: (bytes) => goOn(earlier, comma, bytes.toString('utf8', length)),
  }
}

function goOn({ bytes, body, memberNames, list }: EarlierBody, comma: number, rest: string): object {
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
