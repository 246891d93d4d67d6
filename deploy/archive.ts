import { crc32, deflateRawSync, gzipSync } from 'node:zlib'

export interface Entry {
  /** A path. In a tar file one that ends in a slash is a folder, which has to be `executable`. */
  name: string
  bytes: Uint8Array
  executable: boolean
}

/** Both kinds of archive contain nothing of the machine that made them: equal entries and times give equal bytes. */
export const pack = { 'tar.gz': tarGz, zip } satisfies Record<
  string,
  (entries: Entry[], modifiedAt: Date) => Uint8Array
>

const LEVEL = { level: 9 }

/** POSIX ustar. Names hold at most 100 bytes. */
function tarGz(entries: Entry[], modifiedAt: Date): Uint8Array {
  const parts = entries.flatMap((entry) => [
    tarHeader(entry, modifiedAt),
    entry.bytes,
    new Uint8Array(-entry.bytes.length & 511),
  ])
  return gzipSync(Buffer.concat([...parts, new Uint8Array(1024)]), LEVEL)
}

function tarHeader(entry: Entry, modifiedAt: Date): Uint8Array {
  const header = Buffer.alloc(512)
  const octal = (value: number, offset: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, '0'), offset)
  header.write(entry.name, 0)
  octal(entry.executable ? 0o755 : 0o644, 100, 7)
  octal(0, 108, 7) // owner
  octal(0, 116, 7) // group
  octal(entry.bytes.length, 124, 11)
  octal(modifiedAt.getTime() / 1000, 136, 11)
  header.write(entry.name.endsWith('/') ? '5' : '0', 156) // a folder, or a regular file
  header.write('ustar\x0000', 257)
  // The sum is taken over the header with its own field full of spaces.
  header.fill(' ', 148, 156)
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  )
  header[154] = 0
  return header
}

/** PKZIP 2.0 with Unix modes. Times are UTC, as nothing in the format can say otherwise. */
function zip(entries: Entry[], modifiedAt: Date): Uint8Array {
  const local: Uint8Array[] = []
  const central: Uint8Array[] = []
  let offset = 0
  for (const entry of entries) {
    const name = Buffer.from(entry.name)
    const packed = deflateRawSync(entry.bytes, LEVEL)
    const facts = zipFacts(entry, packed.length, name.length, modifiedAt)

    const head = Buffer.concat([Buffer.from('PK\x03\x04'), facts, name])
    local.push(head, packed)

    const where = Buffer.alloc(14)
    where.writeUInt32LE(((0o100000 | (entry.executable ? 0o755 : 0o644)) << 16) >>> 0, 6)
    where.writeUInt32LE(offset, 10)
    // Made by: Unix, version 2.0.
    central.push(Buffer.from('PK\x01\x02\x14\x03'), facts, where, name)
    offset += head.length + packed.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...local, directory, end])
}

/** The 26 bytes that the two headers of a file share. */
function zipFacts(entry: Entry, packedLength: number, nameLength: number, modifiedAt: Date): Uint8Array {
  const facts = Buffer.alloc(26)
  facts.writeUInt16LE(20, 0) // needs version 2.0
  facts.writeUInt16LE(8, 4) // deflated
  const time = (modifiedAt.getUTCHours() << 11) | (modifiedAt.getUTCMinutes() << 5) | (modifiedAt.getUTCSeconds() >> 1)
  const date =
    ((modifiedAt.getUTCFullYear() - 1980) << 9) | ((modifiedAt.getUTCMonth() + 1) << 5) | modifiedAt.getUTCDate()
  facts.writeUInt16LE(time, 6)
  facts.writeUInt16LE(date, 8)
  facts.writeUInt32LE(crc32(entry.bytes), 10)
  facts.writeUInt32LE(packedLength, 14)
  facts.writeUInt32LE(entry.bytes.length, 18)
  facts.writeUInt16LE(nameLength, 22)
  return facts
}
