import type { MessageHead } from '../core/call-observer.ts'
import { type FindSecrets, redactChunks, redactHeaders, redactText, redactUrl } from './redaction.ts'

/**
 * One of the four HTTP messages of a request (`FaceName`): what the client sent, what the upstream was sent and replied,
 * and what the client got. This is how it is shown: without secrets.
 */
export interface Face {
  method?: string
  url?: string
  status?: number
  headers: [string, string][]
  /** `at_ms`: since the start of the request. */
  chunks: { at_ms: number; text: string }[]
  /** The rest was not kept. */
  truncated?: true
  /** Of what was kept. */
  bytes: number
}

/** The same message as it came, secrets included. */
export interface CapturedFace {
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

/** What a chunk costs besides its bytes, and a message besides its chunks and its head (measured with Bun 1.4.5). */
const chunkOverhead = 24
const faceOverhead = 600
/** Most messages are longer. */
const firstRoom = 1_024

/** Of headers that take more than `limit` bytes, the last are left out. */
export function newFace(head: MessageHead, limit: number): CapturedFace {
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

export function headOf({ head }: CapturedFace): MessageHead {
  return JSON.parse(head) as MessageHead
}

/** In bytes. */
export function sizeOf({ ends }: CapturedFace): number {
  return ends.at(-1) ?? 0
}

/** In bytes of memory. */
export function costOf({ head, bytes, ends }: CapturedFace): number {
  return faceOverhead + head.length + bytes.length + ends.length * chunkOverhead
}

/** A part of a buffer. */
export interface Chunk {
  bytes: Uint8Array
  start: number
  end: number
}

/** Appends as much of a chunk as there is room for within `limit` bytes, and returns by how much that raises the cost. */
export function append(face: CapturedFace, chunk: string | Chunk, atMs: number, limit: number): number {
  if (face.truncated) return 0
  const length = typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.end - chunk.start
  const at = sizeOf(face)
  let end = Math.min(at + length, limit)
  face.truncated = end < at + length
  if (end === at) return 0
  const before = face.bytes.length
  if (end > before) face.bytes = enlarged(face.bytes, at, end, limit)
  // A character that the limit would split is left out.
  if (typeof chunk === 'string') end = at + face.bytes.write(chunk, at, end - at)
  else if (end - at < length || chunk.start > 0 || chunk.end < chunk.bytes.length)
    face.bytes.set(chunk.bytes.subarray(chunk.start, chunk.start + end - at), at)
  else face.bytes.set(chunk.bytes, at)
  face.ends.push(end)
  face.times.push(atMs)
  return face.bytes.length - before + chunkOverhead
}

/** A body that comes in one piece gets exactly its room; a stream gets twice as much each time. */
function enlarged(bytes: Buffer, used: number, end: number, limit: number): Buffer {
  const room = used === 0 ? Math.max(firstRoom, end) : Math.max(end, bytes.length * 2)
  const larger = Buffer.alloc(Math.min(limit, room))
  larger.set(bytes.subarray(0, used))
  return larger
}

/** The texts of the chunks. A character that lies across chunks stands in the one in which it ends. */
export function textsOf({ bytes, ends }: CapturedFace): string[] {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  let start = 0
  return ends.map((end, index) => {
    const chunk = bytes.subarray(start, end)
    start = end
    return utf8.decode(chunk, { stream: index < ends.length - 1 })
  })
}

/** Errors: none. */
export function shown(face: CapturedFace, find: FindSecrets): Face {
  const { method, url, status, headers } = headOf(face)
  const texts = redactChunks(textsOf(face), find)
  return {
    ...(method === undefined ? {} : { method: redactText(method, find) }),
    ...(url === undefined ? {} : { url: redactUrl(url, find) }),
    ...(status === undefined ? {} : { status }),
    headers: redactHeaders(headers, find),
    chunks: texts.map((text, index) => ({ at_ms: rounded(face.times[index] ?? 0), text })),
    ...(face.truncated ? { truncated: true } : {}),
    bytes: sizeOf(face),
  }
}

/** To the tenth of a millisecond. */
function rounded(ms: number): number {
  return Math.round(ms * 10) / 10
}
