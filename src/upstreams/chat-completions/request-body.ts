import type { Clock } from '../../core/clock.ts'
import { isRecord } from '../../core/json.ts'
import { type EntrySize, recentByOwner } from '../../core/recent-by-owner.ts'
import type { YieldIfLong } from '../../core/yield-between-steps.ts'

/**
 * Writes the bodies of requests. Each request of an agent holds all messages and tools of the one before it: their bytes
 * are taken from there.
 */
export interface RequestBodyWriter {
  /**
   * The same as `JSON.stringify(body)`, as text or as pieces of its bytes. Only bodies of the same owner are reused. Other
   * requests may run between the steps of writing a long list.
   */
  write(
    body: EncodedRequest,
    owner: string,
    yieldIfLong?: YieldIfLong,
  ): string | Promise<string | Uint8Array<ArrayBuffer>[]>
}

/** A body in the vendor's format. Its lists are not changed afterwards. */
export interface EncodedRequest extends Readonly<Record<string, unknown>> {
  messages: readonly object[]
  tools?: readonly object[]
}

/** UTF-16 units of text below which a body is written anew: that costs less than to keep it. */
const shortLength = 50_000

interface PreviousBody {
  messages: WrittenList
  tools: WrittenList
}

/** A list, and its JSON without brackets. */
interface WrittenList {
  items: readonly object[]
  storage: Storage
  /** Where the JSON of each item ends in the storage. */
  ends: readonly number[]
  /** How many values there are up to the end of each item. */
  values: readonly number[]
}

/** Bytes that are never changed once they are written. The rest is for lists that go on where this one ends. */
interface Storage {
  bytes: Buffer<ArrayBuffer>
  used: number
}

const nothing: WrittenList = { items: [], storage: { bytes: Buffer.alloc(0), used: 0 }, ends: [], values: [] }

export function createRequestBodyWriter(clock: Clock): RequestBodyWriter {
  const recent = recentByOwner<PreviousBody>(clock)

  return {
    write(body, owner, yieldIfLong = neverYield) {
      return holdsText(body.messages, shortLength) ? writeLong(body, owner, yieldIfLong) : JSON.stringify(body)
    },
  }

  async function writeLong(body: EncodedRequest, owner: string, yieldIfLong: YieldIfLong) {
    const { previous, shared } = mostShared(body.messages, recent.of(owner))
    const messages = await written(body.messages, yieldIfLong, previous?.messages, shared)
    const tools = await written(body.tools ?? [], yieldIfLong, previous?.tools)
    const isContinued = previous && shared > previous.messages.items.length / 2
    recent.add(owner, { messages, tools }, sizeOf([messages, tools]), isContinued ? previous : undefined)
    return joined(body, { messages, tools })
  }
}

const neverYield = () => undefined

function sizeOf(lists: readonly WrittenList[]): EntrySize {
  const size = { bytes: 0, values: 0 }
  for (const { storage, values } of lists) {
    size.bytes += storage.bytes.length
    size.values += values.at(-1) ?? 0
  }
  return size
}

function mostShared(messages: readonly object[], candidates: readonly PreviousBody[]) {
  let most: { previous?: PreviousBody; shared: number } = { shared: 0 }
  for (const previous of candidates) {
    const shared = sharedItems(messages, previous.messages.items)
    if (shared > most.shared) most = { previous, shared }
  }
  return most
}

/** The JSON of an object, some of whose members are lists that are written already. */
function joined(body: object, lists: Readonly<Record<string, WrittenList>>): Buffer<ArrayBuffer>[] {
  const pieces: Buffer<ArrayBuffer>[] = []
  let text = '{'
  for (const [name, member] of Object.entries(body)) {
    if (member === undefined) continue
    if (text !== '{' || pieces.length > 0) text += ','
    text += `${JSON.stringify(name)}:`
    const list = lists[name]
    if (list === undefined) text += JSON.stringify(member)
    else {
      pieces.push(Buffer.from(`${text}[`), list.storage.bytes.subarray(0, list.ends.at(-1) ?? 0))
      text = ']'
    }
  }
  return [...pieces, Buffer.from(`${text}}`)]
}

/** How many items at the beginning are the same. */
function sharedItems(items: readonly object[], previous: readonly object[]): number {
  let count = 0
  while (count < items.length && count < previous.length && isSame(items[count], previous[count])) count++
  return count
}

/** Takes the JSON of the first items, which are `shared` with a previous list, from there, and writes that of the others. */
async function written(
  items: readonly object[],
  yieldIfLong: YieldIfLong,
  previous: WrittenList = nothing,
  shared = sharedItems(items, previous.items),
): Promise<WrittenList> {
  const ends = previous.ends.slice(0, shared)
  const values = previous.values.slice(0, shared)
  const sharedLength = ends.at(-1) ?? 0
  let length = sharedLength
  let valueCount = values.at(-1) ?? 0
  const texts: string[] = []
  for (const item of items.slice(shared)) {
    const text = (ends.length > 0 ? ',' : '') + JSON.stringify(item)
    texts.push(text)
    length += Buffer.byteLength(text)
    ends.push(length)
    valueCount += countValues(item)
    values.push(valueCount)
    const pause = yieldIfLong()
    if (pause) await pause
  }
  // Without a pause from here on: nobody else may take the room behind the previous list meanwhile.
  const storage = storageFor(length, previous.storage, sharedLength)
  for (const [index, text] of texts.entries()) storage.bytes.write(text, ends[shared + index - 1] ?? 0)
  return { items, storage, ends, values }
}

/** A storage for `length` bytes, of which the first `shared` are those of another one: the same one if there is room behind them. */
function storageFor(length: number, previous: Storage, shared: number): Storage {
  const canAppend = previous.used === shared && previous.bytes.length >= length
  const storage = canAppend ? previous : { bytes: Buffer.allocUnsafeSlow(Math.ceil(length * growth)), used: 0 }
  if (!canAppend) storage.bytes.set(previous.bytes.subarray(0, shared))
  storage.used = length
  return storage
}

/** Room for turns to come, as a factor. */
const growth = 1.5

/** Whether two values have the same JSON. Values whose members are in another order count as different. */
function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (Array.isArray(one))
    return Array.isArray(other) && one.length === other.length && one.every((item, index) => isSame(item, other[index]))
  if (!isRecord(one) || !isRecord(other)) return false
  const names = Object.keys(one)
  const otherNames = Object.keys(other)
  return (
    names.length === otherNames.length &&
    names.every((name, index) => name === otherNames[index] && isSame(one[name], other[name]))
  )
}

/** A value counts itself and all inside. */
function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((sum: number, member) => sum + countValues(member), 1)
}

/** Whether a value has at least so many UTF-16 units of text inside. */
function holdsText(value: unknown, length: number): boolean {
  return textLength(value, length) >= length
}

/** It stops counting at `enough`. */
function textLength(value: unknown, enough: number): number {
  if (typeof value === 'string') return value.length
  let length = 0
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && length < enough; index++) length += textLength(value[index], enough)
  } else if (isRecord(value)) {
    for (const name in value) length += textLength(value[name], enough)
  }
  return length
}
