/** Media types whose files are text, even if their bytes are not UTF-8. */
const textTypes =
  /^text\/|^application\/(?:.+\+)?(?:json|xml|yaml|x-yaml|toml|javascript|typescript|x-ndjson|x-sh|sql)\b/

const byteOrderMarks: readonly (readonly [bytes: readonly number[], encoding: string])[] = [
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
]

/**
 * The text of a file; `undefined` if the file is not text.
 *
 * The encoding is UTF-8 unless a byte order mark says otherwise. A file with a text media type that is not UTF-8 is read
 * as GB 18030, which Chinese spreadsheets write. A file with any other media type has to be valid UTF-8.
 */
export function textIn(data: Uint8Array, mediaType: string): string | undefined {
  const marked = byteOrderMarks.find(([bytes]) => bytes.every((byte, at) => data[at] === byte))
  if (marked) return new TextDecoder(marked[1]).decode(data)
  const text = decode(data, 'utf-8')
  if (text !== undefined && !text.includes('\0')) return text
  if (!textTypes.test(mediaType)) return undefined
  return decode(data, 'gb18030') ?? new TextDecoder().decode(data)
}

function decode(data: Uint8Array, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(data)
  } catch {
    return undefined
  }
}
