import dataFile from 'gpt-tokenizer/data/cl100k_base.tiktoken' with { type: 'file' }

/**
 * Decodes tokens of cl100k_base; `undefined` if one is outside the vocabulary. LangChain for Python sends texts for
 * embeddings in this form.
 *
 * The vocabulary is read when the first tokens arrive. It takes the 1.7 MB of its file, and the positions of its lines.
 */
export async function decodeTokens(tokens: readonly number[]): Promise<string | undefined> {
  loaded ??= load()
  const bytesOf = await loaded
  const parts: Uint8Array[] = []
  for (const token of tokens) {
    const bytes = bytesOf(token)
    if (bytes === undefined) return undefined
    parts.push(bytes)
  }
  return Buffer.concat(parts).toString('utf8')
}

let loaded: Promise<(token: number) => Uint8Array | undefined> | undefined

const lineBreak = 0x0a
const space = 0x20

async function load(): Promise<(token: number) => Uint8Array | undefined> {
  const file = Buffer.from(await Bun.file(dataFile).arrayBuffer())
  // The file has a line `base64 rank` for each token, in the order of the ranks.
  const starts: number[] = [0]
  for (let at = file.indexOf(lineBreak); at >= 0; at = file.indexOf(lineBreak, at + 1)) starts.push(at + 1)
  const lines = Int32Array.from(starts)
  return (token) => {
    const start = lines[token]
    const end = start === undefined || start >= file.length ? -1 : file.indexOf(space, start)
    return start === undefined || end < 0 ? undefined : Buffer.from(file.toString('latin1', start, end), 'base64')
  }
}
