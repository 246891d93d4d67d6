import { connect } from 'node:net'

export interface RawReply {
  /** 0 if the server closed the connection without a response. */
  status: number
  /** As it is announced, which a reply to HEAD does without having one. */
  length: number
  body: string
}

/** Sends bytes (latin1) unchanged, which an HTTP client would correct or refuse, and reads until the server closes the connection. */
export function askRaw(port: number, request: string): Promise<RawReply> {
  const { promise, resolve, reject } = Promise.withResolvers<RawReply>()
  const socket = connect(port, '127.0.0.1', () => socket.write(request, 'latin1'))
  socket.setEncoding('latin1')
  let read = ''
  socket.on('data', (text) => {
    read += text
  })
  socket.on('error', reject)
  socket.on('close', () => resolve(parse(read)))
  return promise
}

function parse(text: string): RawReply {
  const end = text.indexOf('\r\n\r\n')
  const head = text.slice(0, end)
  const rest = text.slice(end + 4)
  const chunked = /^transfer-encoding: chunked/im.test(head)
  return {
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0),
    length: Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN),
    body: chunked ? joined(rest) : rest,
  }
}

function joined(chunks: string): string {
  const size = Number.parseInt(chunks, 16)
  if (!(size > 0)) return ''
  const start = chunks.indexOf('\r\n') + 2
  return chunks.slice(start, start + size) + joined(chunks.slice(start + size + 2))
}

/** As `Promise.all` of a map, but at most `width` at a time: every one has a socket of its own. */
export async function mapConcurrently<From, To>(
  items: readonly From[],
  width: number,
  map: (item: From) => Promise<To>,
): Promise<To[]> {
  const results: To[] = []
  const queue = items.entries()
  const work = async () => {
    for (const [at, item] of queue) results[at] = await map(item)
  }
  await Promise.all(Array.from({ length: width }, work))
  return results
}
