import { characterEnd } from '../core/character-end.ts'
import { isRecord } from '../core/json.ts'
import { holdsTextOver } from '../core/long-json.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import { joinInPortions } from './bytes-in-portions.ts'

/** Longer texts, in UTF-16 units, are written in portions. */
const longLength = 1_048_576
/** UTF-16 units of a text that are written in about a millisecond, with escapes and all. */
const portionLength = 262_144

/**
 * The JSON of a value in pieces to be joined. Long texts, such as images, are written in portions, between which other
 * requests can run: 30 MB take 40 ms in one go. `value` holds nothing but what `JSON.parse` returns, and members that are
 * `undefined`, which are left out.
 */
export async function jsonInPortions(value: unknown, yieldIfLong: YieldIfLong): Promise<string[]> {
  const pieces: string[] = []
  await write(value)
  return pieces

  async function write(value: unknown): Promise<void> {
    if (typeof value === 'string' && isLong(value)) await text(value)
    else if (!holdsLongText(value)) pieces.push(JSON.stringify(value))
    else if (Array.isArray(value)) await list(value)
    else if (isRecord(value)) await members(value)
    const pause = yieldIfLong()
    if (pause) await pause
  }

  async function list(items: readonly unknown[]): Promise<void> {
    pieces.push('[')
    for (const [index, item] of items.entries()) {
      if (index > 0) pieces.push(',')
      await write(item ?? null)
    }
    pieces.push(']')
  }

  async function members(value: Record<string, unknown>): Promise<void> {
    let before = '{'
    for (const [name, member] of Object.entries(value)) {
      if (member === undefined) continue
      pieces.push(`${before}${JSON.stringify(name)}:`)
      before = ','
      await write(member)
    }
    pieces.push('}')
  }

  async function text(value: string): Promise<void> {
    pieces.push('"')
    for (let from = 0; from < value.length; ) {
      const to = characterEnd(value, from + portionLength)
      pieces.push(JSON.stringify(value.slice(from, to)).slice(1, -1))
      from = to
      const pause = yieldIfLong()
      if (pause) await pause
    }
    pieces.push('"')
  }
}

/** The same as UTF-8. */
export async function jsonBytesInPortions(value: unknown, yieldIfLong: YieldIfLong): Promise<Buffer<ArrayBuffer>> {
  const encoder = new TextEncoder()
  const encoded: Uint8Array[] = []
  let size = 0
  for (const piece of await jsonInPortions(value, yieldIfLong)) {
    const bytes = encoder.encode(piece)
    encoded.push(bytes)
    size += bytes.length
    const pause = yieldIfLong()
    if (pause) await pause
  }
  return await joinInPortions(encoded, size, yieldIfLong)
}

function isLong(text: string): boolean {
  return text.length > longLength
}

/** Whether a value has a long text anywhere inside. */
export function holdsLongText(value: unknown): boolean {
  return holdsTextOver(longLength, value)
}
