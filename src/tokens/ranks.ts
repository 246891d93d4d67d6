/** Every token of a vocabulary by its bytes: 4.5 MB of typed arrays, nothing for the garbage collector to walk. */
export interface Ranks {
  /** The rank of these bytes of a text; `unranked` if they are no token. */
  find(text: HashedBytes, start: number, end: number): number
}

/** A text ready to be looked up: `hashes[n]` is that of its first n bytes, as `hashOn` has it. */
export interface HashedBytes {
  bytes: Uint8Array
  hashes: Int32Array
}

/** Above every rank, so that the lowest of several is found without a question. */
export const unranked = 0x7fffffff

/**
 * The hash of bytes with one more of them: a polynomial, modulo 2³². That of any bytes within a text follows from the
 * hashes before their start and up to their end, however many they are.
 */
export function hashOn(hash: number, byte: number): number {
  return (Math.imul(hash, base) + byte + 1) | 0
}

const base = 0x01000193

/** Open addressing: a slot holds the rank and one, so that none is empty, and 14 bits of the hash above it. */
interface Table {
  slots: Int32Array
  /** The ranks of two bytes by what they are: half of all questions, and Chinese is counted a fifth faster. */
  pairs: Int32Array
  /** The tokens' bytes, end to end: that of rank n lies between starts[n] and starts[n + 1]. */
  bytes: Uint8Array
  starts: Int32Array
  count: number
  longest: number
}

const rankBits = 18
const rankMask = (1 << rankBits) - 1
/** Two fifths of the slots are taken: 1.3 looks for a token. */
const slotBits = 19
const slotMask = (1 << slotBits) - 1
/** o200k_base has 1.4 million bytes. What is never written to never takes memory. */
const room = 1 << 21
/** Bytes of the file read in one go. */
const sliceLength = 1 << 18

/**
 * Reads a vocabulary as tiktoken publishes them: a line for each token, `base64 rank`, in the order of their ranks.
 *
 * Base64 is decoded where it lies: a string for each of 200,000 lines would cost more than everything else. Others have
 * their turn after every slice, a few milliseconds.
 */
export async function readRanks(file: Uint8Array): Promise<Ranks> {
  const table = {
    slots: new Int32Array(1 << slotBits),
    pairs: new Int32Array(1 << 16).fill(unranked),
    bytes: new Uint8Array(room),
    starts: new Int32Array(1 << rankBits),
    count: 0,
    longest: 0,
  }
  for (let at = 0; at < file.length; ) {
    at = readLines(file, at, at + sliceLength, table)
    await new Promise((resolve) => setTimeout(resolve))
  }
  return createRanks(table)
}

/** Reads lines up to the one that reaches the end asked for; tells where the next one starts. */
function readLines(file: Uint8Array, from: number, end: number, table: Table): number {
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
    // The rank itself is the number of the line.
    while (at < file.length && file[at++] !== lineBreak);

    if (length - start === 2) pairs[pairAt(bytes, start)] = rank
    const mixed = mix(hash)
    let slot = slotOf(mixed)
    while (slots[slot] !== 0) slot = (slot + 1) & slotMask
    slots[slot] = (mixed << rankBits) | ++rank
    starts[rank] = length
    if (length - start > table.longest) table.longest = length - start
  }
  table.count = rank
  return at
}

function createRanks({ slots, pairs, bytes, starts, longest }: Table): Ranks {
  const powers = powersUpTo(longest)

  return {
    find(text, start, end) {
      const size = end - start
      if (size === 2) return pairs[pairAt(text.bytes, start)] ?? unranked
      if (size > longest) return unranked
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

/** What a base64 digit is worth, by its character; −1 for all others. */
const base64 = new Int8Array(256).fill(-1)
const base64Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
for (let digit = 0; digit < 64; digit++) base64[base64Digits.charCodeAt(digit)] = digit

function powersUpTo(most: number): Int32Array {
  const powers = new Int32Array(most + 1).fill(1)
  for (let power = 1; power <= most; power++) powers[power] = Math.imul(powers[power - 1] ?? 1, base)
  return powers
}

/** Spreads a hash over its upper bits, which choose the slot, and its lower ones, which tell it from its neighbours. */
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
