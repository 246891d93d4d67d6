import { gunzipSync, inflateRawSync } from 'node:zlib'
import { Archive } from 'bun'

/**
 * One file of an archive, which is unpacked to at most `maxBytes`; `undefined` if there is none of this name. Errors:
 * RangeError for bytes that are no such archive or for more than `maxBytes`, and those of zlib and Bun.
 */
export async function fileOfTarGz(bytes: Uint8Array, name: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const tar = gunzipSync(bytes, { maxOutputLength: maxBytes })
  return await (await new Archive(tar).files()).get(name)?.bytes()
}

/** The same for a zip whose files are stored or deflated, without a comment at its end, as `make release` writes it. */
export function fileOfZip(bytes: Uint8Array, name: string, maxBytes: number): Uint8Array | undefined {
  const zip = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = zip.length - 22
  if (zip.readUInt32LE(end) !== 0x06054b50) throw new RangeError('no end of a zip')
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [method, packedLength] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20)]
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field))
    const nameEnd = at + 46 + (nameLength ?? 0)
    if (zip.toString('utf8', at + 46, nameEnd) === name) {
      const local = zip.readUInt32LE(at + 42)
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
      const packed = zip.subarray(start, start + packedLength)
      return method === 0 ? packed : inflateRawSync(packed, { maxOutputLength: maxBytes })
    }
    at = nameEnd + (extraLength ?? 0) + (commentLength ?? 0)
  }
  return undefined
}
