import { isThorough } from '../effort.ts'
import { reusableApp } from '../gateway.ts'
import { replyFaults } from '../sdk-types/replies.ts'
import type { Case, Mode, UpstreamName } from './case.ts'
import { joinedReply } from './joined.ts'
import { mismatches } from './match.ts'
import { scriptedUpstream } from './scripted.ts'

/** One way to play a case: nothing of it may change what comes out. */
export interface Way {
  upstream: UpstreamName
  mode: Mode
  /** Bytes of one read of the upstream's reply. */
  pieceSize: number
}

/** Networks cut where they like. */
const pieceSizes = [Number.MAX_SAFE_INTEGER, ...(isThorough ? [64] : []), 1]

export function waysOf({ upstreams = ['zai-api', 'zai-web'], modes = ['whole', 'stream'] }: Case): Way[] {
  return upstreams.flatMap((upstream) =>
    modes.flatMap((mode) => pieceSizes.map((pieceSize) => ({ upstream, mode, pieceSize }))),
  )
}

const apps = reusableApp()

/** Sends the request of a case through the whole gateway, and says what is not as it has to be. */
export async function play({ path, headers, body, upstreamSays = [], expect }: Case, way: Way): Promise<string[]> {
  const lines: string[] = []
  const { upstream, bodies } = scriptedUpstream(way.upstream, [upstreamSays].flat(), way.pieceSize)
  const request = new Request(`http://localhost${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: asciiText({ ...body, ...(way.mode === 'stream' ? { stream: true } : {}) }),
  })
  const response = await apps.inFrontOf([upstream], lines).handle(request)
  const text = await response.text()
  const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream')
  const reply = isStream ? joinedReply(path.replace(/\?.*/, ''), text) : JSON.parse(text)
  const wanted = expect.upstream?.[way.upstream]
  const sent = bodies()
  const ignored = response.headers.get('x-zai2api-ignored')
  const log = lines.join('\n')
  return [
    ...replyFaults(new URL(request.url).pathname, text),
    ...mismatches(response.status, expect.status ?? 200, 'status'),
    ...mismatches(reply, expect.reply ?? '$any', 'reply'),
    ...(expect.ignored === undefined ? [] : mismatches(ignored ?? undefined, expect.ignored, 'x-zai2api-ignored')),
    ...(wanted === undefined ? [] : mismatches(Array.isArray(wanted) ? sent : sent.at(-1), wanted, 'upstream')),
    ...(expect.contains ?? []).filter((words) => !text.includes(words)).map((words) => `the reply lacks ${words}`),
    ...(expect.lacks ?? []).filter((words) => text.includes(words)).map((words) => `the reply has ${words}`),
    ...(expect.log ?? []).filter((words) => !log.includes(words)).map((words) => `the log lacks ${words}: ${log}`),
  ]
}

/** With every other character by number: half a character would not survive the way to bytes. */
function asciiText(value: object): string {
  return JSON.stringify(value).replaceAll(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
