import type { MessageHead } from '../core/call-observer.ts'
import { type FindSecrets, redactChunks, redactHeaders, redactText, redactUrl } from './redaction.ts'

/**
 * One of the four bodies of a request (`BodyName`), with the head of its HTTP message: what the client sent, what the
 * upstream was sent and replied, and what the client got. This is how it is shown: without secrets.
 */
export interface CapturedBody {
  method?: string
  url?: string
  status?: number
  headers: [string, string][]
  /** `at_ms`: since the start of the request. */
  chunks: { at_ms: number; text: string }[]
  /** The rest was not kept. */
  truncated?: true
  /** The size of what was kept. */
  bytes: number
}

/** A body as it came, secrets included. */
export interface KeptBody {
  /** A `MessageHead` as JSON. As objects, 20 headers would take 4 KB, three times their text. */
  head: string
  /** The chunks behind each other, as UTF-8. One buffer for all: an object for each of them would take four times that. */
  bytes: Buffer
  /** Where each chunk ends. */
  ends: number[]
  /** When each chunk came: milliseconds since the start of the request. */
  times: number[]
  truncated: boolean
}

/** What a chunk costs besides its bytes, and a body besides its chunks and its head (measured with Bun 1.4.5). */
const chunkOverhead = 24
const bodyOverhead = 600
/** Most bodies are longer. */
const firstRoom = 1_024

/** An empty body. If its headers take more than `limit` bytes, the last of them are left out. */
export function newBody(head: MessageHead, limit: number): KeptBody {
  let text = JSON.stringify(head)
  const isLong = text.length > limit
  if (isLong) {
    let left = limit - JSON.stringify({ ...head, headers: [] }).length
    const headers = head.headers.filter(([name, value]) => {
      left -= name.length + value.length + JSON.stringify(['', '']).length
      return left > 0
    })
    text = JSON.stringify({ ...head, url: head.url?.slice(0, limit), headers })
  }
  return { head: text, bytes: Buffer.alloc(0), ends: [], times: [], truncated: isLong }
}

export function headOf({ head }: KeptBody): MessageHead {
  return JSON.parse(head) as MessageHead
}

/** The size of the text, in bytes. */
export function sizeOf({ ends }: KeptBody): number {
  return ends.at(-1) ?? 0
}

/** What the body takes of the memory, in bytes. */
export function costOf({ head, bytes, ends }: KeptBody): number {
  return bodyOverhead + head.length + bytes.length + ends.length * chunkOverhead
}

/** A part of a buffer. */
export interface BufferSlice {
  bytes: Uint8Array
  start: number
  end: number
}

/** Appends as much of a chunk as there is room for within `limit` bytes, and returns by how much that raises the cost. */
export function append(body: KeptBody, chunk: string | BufferSlice, atMs: number, limit: number): number {
  if (body.truncated) return 0
  const length = typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.end - chunk.start
  const at = sizeOf(body)
  let end = Math.min(at + length, limit)
  body.truncated = end < at + length
  if (end === at) return 0
  const before = body.bytes.length
  if (end > before) body.bytes = enlarged(body.bytes, at, end, limit)
  // A character that the limit would split is left out.
  if (typeof chunk === 'string') end = at + body.bytes.write(chunk, at, end - at)
  else if (end - at < length || chunk.start > 0 || chunk.end < chunk.bytes.length)
    body.bytes.set(chunk.bytes.subarray(chunk.start, chunk.start + end - at), at)
  else body.bytes.set(chunk.bytes, at)
  body.ends.push(end)
  body.times.push(atMs)
  return body.bytes.length - before + chunkOverhead
}

/** A body that comes in one piece gets exactly its room; a stream gets twice as much each time. */
function enlarged(bytes: Buffer, used: number, end: number, limit: number): Buffer {
  const room = used === 0 ? Math.max(firstRoom, end) : Math.max(end, bytes.length * 2)
  const larger = Buffer.alloc(Math.min(limit, room))
  larger.set(bytes.subarray(0, used))
  return larger
}

/** The texts of the chunks. A character that lies across chunks stands in the one in which it ends. */
export function textsOf({ bytes, ends }: KeptBody): string[] {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  let start = 0
  return ends.map((end, index) => {
    const chunk = bytes.subarray(start, end)
    start = end
    return utf8.decode(chunk, { stream: index < ends.length - 1 })
  })
}

/** The body without secrets. Errors: none. */
export function shown(body: KeptBody, find: FindSecrets): CapturedBody {
  const { method, url, status, headers } = headOf(body)
  const texts = redactChunks(textsOf(body), find)
  return {
    ...(method === undefined ? {} : { method: redactText(method, find) }),
    ...(url === undefined ? {} : { url: redactUrl(url, find) }),
    ...(status === undefined ? {} : { status }),
    headers: redactHeaders(headers, find),
    chunks: texts.map((text, index) => ({ at_ms: rounded(body.times[index] ?? 0), text })),
    ...(body.truncated ? { truncated: true } : {}),
    bytes: sizeOf(body),
  }
}

/** To the tenth of a millisecond. */
function rounded(ms: number): number {
  return Math.round(ms * 10) / 10
}
