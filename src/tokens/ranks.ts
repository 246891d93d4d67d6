/** Looks up the tokens of a vocabulary by their bytes. Holds 4.5 MB of typed arrays, which the garbage collector need not scan. */
export interface Ranks {
  /** The rank of the token made of these bytes of a text; `unranked` if they are no token. */
  find(text: HashedBytes, start: number, end: number): number
}

/** A text with the hashes of its beginnings: `hashes[n]` is the hash of the first n bytes, built with `hashOn`. */
export interface HashedBytes {
  bytes: Uint8Array
  hashes: Int32Array
}

/** Higher than every rank, so that finding the lowest rank needs no special case. */
export const unranked = 0x7fffffff

/**
 * Extends the hash of some bytes by one byte. The hash is a polynomial modulo 2³², so the hash of any part of a text is
 * computed in constant time from the two hashes up to its start and up to its end.
 */
export function hashOn(hash: number, byte: number): number {
  return (Math.imul(hash, base) + byte + 1) | 0
}

const base = 0x01000193

/** A hash table with open addressing. A slot holds rank + 1, because 0 means empty, and above it 14 bits of the hash. */
export interface RankTable {
  slots: Int32Array
  /** The ranks of two-byte tokens, indexed by the bytes. Half of all lookups are for these, and Chinese is counted a fifth faster with it. */
  pairs: Int32Array
  /** The concatenated bytes of all tokens. Those of rank n are between starts[n] and starts[n + 1]. */
  bytes: Uint8Array
  starts: Int32Array
  count: number
  maxTokenLength: number
}

const rankBits = 18
const rankMask = (1 << rankBits) - 1
/** Two fifths of the slots are used, so that a lookup reads 1.3 slots on average. */
const slotBits = 19
const slotMask = (1 << slotBits) - 1
/** The bytes of all tokens: o200k_base has 1.4 million. Pages that are never written take no memory. */
const tokenBytes = 1 << 21
/** Bytes of the file that are parsed without a pause. */
const sliceLength = 1 << 18

/**
 * Reads a vocabulary in the format of tiktoken: a line `base64 rank` for each token, in the order of the ranks.
 *
 * Base64 is decoded from the file's bytes, because a string for each of 200,000 lines would cost more than everything
 * else. After each slice, which takes a few milliseconds, other work may run.
 */
export async function readTable(file: Uint8Array): Promise<RankTable> {
  const table: RankTable = {
    slots: new Int32Array(1 << slotBits),
    pairs: new Int32Array(1 << 16).fill(unranked),
    bytes: new Uint8Array(tokenBytes),
    starts: new Int32Array(1 << rankBits),
    count: 0,
    maxTokenLength: 0,
  }
  for (let at = 0; at < file.length; ) {
    at = readLines(file, at, at + sliceLength, table)
    await new Promise((resolve) => setTimeout(resolve))
  }
  return table
}

/** Int32 values in front of a packed table: its count of tokens and their longest length. */
const packedHead = 2

/** A table as bytes, for the same version of this file. */
export function packTable({ slots, pairs, starts, bytes, count, maxTokenLength }: RankTable): Uint8Array {
  const used = starts.subarray(0, count + 1)
  const head = Int32Array.of(count, maxTokenLength)
  return Buffer.concat([...[head, slots, pairs, used].map(bytesOf), bytes.subarray(0, used.at(-1))])
}

/** The table, whose arrays are views of `packed` unless its memory begins in the middle of an Int32. */
export function unpackTable(packed: Uint8Array<ArrayBuffer>): RankTable {
  const isAligned = packed.byteOffset % Int32Array.BYTES_PER_ELEMENT === 0
  const { buffer, byteOffset } = isAligned ? packed : packed.slice()
  const [count = 0, maxTokenLength = 0] = new Int32Array(buffer, byteOffset, packedHead)
  let at = byteOffset + packedHead * Int32Array.BYTES_PER_ELEMENT
  const take = (length: number) => {
    const taken = new Int32Array(buffer, at, length)
    at = taken.byteOffset + taken.byteLength
    return taken
  }
  const slots = take(1 << slotBits)
  const pairs = take(1 << 16)
  const starts = take(count + 1)
  return { slots, pairs, starts, bytes: new Uint8Array(buffer, at, starts[count]), count, maxTokenLength }
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** Reads lines from `from` up to the line that reaches `end`. Returns the offset of the next line. */
function readLines(file: Uint8Array, from: number, end: number, table: RankTable): number {
  const { slots, pairs, bytes, starts } = table
  let at = from
  let rank = table.count
  let length = starts[rank] ?? 0
  while (at < end && at < file.length) {
    const start = length
    let hash = 0
    let digits = 0
    let bits = 0
    for (;;) {
      const digit = base64[file[at++] ?? 0] ?? -1
      if (digit < 0) break
      digits = (digits << 6) | digit
      bits += 6
      if (bits < 8) continue
      bits -= 8
      const byte = (digits >>> bits) & 0xff
      bytes[length++] = byte
      hash = hashOn(hash, byte)
    }
    // The written rank is skipped, because it is the number of the line.
    while (at < file.length && file[at++] !== lineBreak);

    if (length - start === 2) pairs[pairAt(bytes, start)] = rank
    const mixed = mix(hash)
    let slot = slotOf(mixed)
    while (slots[slot] !== 0) slot = (slot + 1) & slotMask
    slots[slot] = (mixed << rankBits) | ++rank
    starts[rank] = length
    if (length - start > table.maxTokenLength) table.maxTokenLength = length - start
  }
  table.count = rank
  return at
}

export function createRanks({ slots, pairs, bytes, starts, maxTokenLength }: RankTable): Ranks {
  const powers = powersUpTo(maxTokenLength)

  return {
    find(text, start, end) {
      const size = end - start
      if (size === 2) return pairs[pairAt(text.bytes, start)] ?? unranked
      if (size > maxTokenLength) return unranked
      const before = Math.imul(text.hashes[start] ?? 0, powers[size] ?? 0)
      const mixed = mix((text.hashes[end] ?? 0) - before)
      for (let slot = slotOf(mixed); ; slot = (slot + 1) & slotMask) {
        const entry = slots[slot] ?? 0
        if (entry === 0) return unranked
        const rank = (entry & rankMask) - 1
        if ((entry ^ (mixed << rankBits)) >>> rankBits === 0 && isToken(rank, text.bytes, start, size)) return rank
      }
    },
  }

  function isToken(rank: number, text: Uint8Array, start: number, size: number): boolean {
    const own = starts[rank] ?? 0
    if ((starts[rank + 1] ?? 0) - own !== size) return false
    for (let at = 0; at < size; at++) if (text[start + at] !== bytes[own + at]) return false
    return true
  }
}

const lineBreak = 0x0a

/** The value of each base64 digit by its character code; −1 for other characters. */
const base64 = new Int8Array(256).fill(-1)
const base64Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
for (let digit = 0; digit < 64; digit++) base64[base64Digits.charCodeAt(digit)] = digit

function powersUpTo(most: number): Int32Array {
  const powers = new Int32Array(most + 1).fill(1)
  for (let power = 1; power <= most; power++) powers[power] = Math.imul(powers[power - 1] ?? 1, base)
  return powers
}

/** Mixes a hash: its upper bits choose the slot, and its lower bits are stored there to tell different hashes apart. */
function mix(hash: number): number {
  const spread = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return spread ^ (spread >>> 12)
}

function pairAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function slotOf(mixed: number): number {
  return mixed >>> (32 - slotBits)
}
