import { createHash } from 'node:crypto'

/** Numbers of Apple's `mach-o/loader.h` and `cs_blobs.h`. Load commands are little-endian, signatures big-endian. */
const magic64 = 0xfeedfacf
const headerSize = 32
const segment64 = 0x19
const codeSignature = 0x1d
const superBlob = 0xfade0cc0
const codeDirectory = 0xfade0c02
const sha256 = 2

interface Command {
  at: number
  kind: number
  size: number
}

/** The load commands of a Mach-O of 64 bits. Errors: RangeError for other bytes. */
function commandsOf(file: Buffer): Command[] {
  if (file.length < headerSize || file.readUInt32LE(0) !== magic64) throw new RangeError('not a Mach-O of 64 bits')
  const commands: Command[] = []
  let at = headerSize
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    const command = { at, kind: file.readUInt32LE(at), size: file.readUInt32LE(at + 4) }
    commands.push(command)
    at += command.size
  }
  return commands
}

/** How many pages there are, and how many are not those that were signed; `undefined` for a file without a signature. */
export function signedPages(bytes: Uint8Array): { pages: number; changed: number } | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const command = commandsOf(file).find(({ kind }) => kind === codeSignature)
  if (command === undefined) return undefined
  const blob = file.subarray(file.readUInt32LE(command.at + 8))
  if (blob.readUInt32BE(0) !== superBlob) throw new RangeError('no signature where one is announced')
  const directories = Array.from({ length: blob.readUInt32BE(8) }, (_, index) => blob.readUInt32BE(12 + index * 8 + 4))
    .map((offset) => blob.subarray(offset))
    .filter((directory) => directory.readUInt32BE(0) === codeDirectory && directory[37] === sha256)
  const [directory] = directories
  if (directory === undefined) throw new RangeError('no hashes of pages by SHA-256')
  const [hashes, pages, limit] = [16, 28, 32].map((field) => directory.readUInt32BE(field)) as [number, number, number]
  const pageSize = 2 ** (directory[39] ?? 0)
  let changed = 0
  for (let page = 0; page < pages; page++) {
    const content = file.subarray(page * pageSize, Math.min((page + 1) * pageSize, limit))
    const stored = directory.subarray(hashes + page * 32, hashes + (page + 1) * 32)
    if (!createHash('sha256').update(content).digest().equals(stored)) changed++
  }
  return { pages, changed }
}

/**
 * The same executable without its signature. Bun renews the signature of what it compiles for Apple's own processors,
 * which run nothing unsigned, and leaves that of Intel's as it was, which then no longer fits: there none is better.
 */
export function withoutSignature(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes)
  const commands = commandsOf(file)
  const command = commands.find(({ kind }) => kind === codeSignature)
  if (command === undefined) return file
  const [offset, size] = [file.readUInt32LE(command.at + 8), file.readUInt32LE(command.at + 12)]
  // The system allows nothing in the file behind the last segment, so that the signature is the end of both.
  const linkEdit = commands.find(({ at, kind }) => kind === segment64 && segmentName(file, at) === '__LINKEDIT')
  if (linkEdit === undefined || offset + size !== file.length) throw new RangeError('the signature is not the end')
  const newSize = offset - Number(file.readBigUInt64LE(linkEdit.at + 40))
  file.writeBigUInt64LE(BigInt(newSize), linkEdit.at + 48)
  file.writeBigUInt64LE(BigInt(Math.ceil(newSize / 4096) * 4096), linkEdit.at + 32)
  const end = headerSize + file.readUInt32LE(20)
  file.copyWithin(command.at, command.at + command.size, end)
  file.fill(0, end - command.size, end)
  file.writeUInt32LE(file.readUInt32LE(16) - 1, 16)
  file.writeUInt32LE(file.readUInt32LE(20) - command.size, 20)
  return file.subarray(0, offset)
}

function segmentName(file: Buffer, at: number): string {
  return file.toString('latin1', at + 8, at + 24).replace(/\0+$/, '')
}
