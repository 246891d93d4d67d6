import { inflateRawSync } from 'node:zlib'

/**
 * The files of a zip by their names: those that are stored or deflated, in an archive without a comment, as `make release`
 * writes it. Errors: RangeError for bytes that are no such archive, and those of zlib.
 */
export function unzip(bytes: Uint8Array): Map<string, Uint8Array> {
  const zip = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = zip.length - 22
  if (zip.readUInt32LE(end) !== 0x06054b50) throw new RangeError('no end of a zip')
  const files = new Map<string, Uint8Array>()
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [method, packedLength] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20)]
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field))
    const local = zip.readUInt32LE(at + 42)
    const nameEnd = at + 46 + (nameLength ?? 0)
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const packed = zip.subarray(start, start + packedLength)
    files.set(zip.toString('utf8', at + 46, nameEnd), method === 0 ? packed : inflateRawSync(packed))
    at = nameEnd + (extraLength ?? 0) + (commentLength ?? 0)
  }
  return files
}
