import type { Upstream } from '../../../src/core/upstream.ts'
import { demo } from '../../../src/upstreams/demo/index.ts'
import { type CredentialSource, zaiWeb } from '../../../src/upstreams/zai-web/index.ts'
import { apiUpstream } from '../api-upstream.ts'
import { chatZai, completionRoute, eventStream, webDefaults } from '../chat-zai.ts'
import { manualClock } from '../clock.ts'
import { inPieces } from '../pieces.ts'
import { lending, nobodyWaits } from '../pool.ts'
import { chatRoute, chunkText, origin, refusal, scriptedApi } from '../zai-api.ts'
import type { Script, UpstreamName } from './case.ts'

/** An upstream that answers by script, and the bodies it was sent. */
export interface ScriptedUpstream {
  upstream: Upstream
  bodies(): unknown[]
}

const hello: Script = { chunks: [{ delta: { content: 'Hello there.' } }, { finish_reason: 'stop', usage: true }] }
const someUsage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 }
/** More attempts than any call makes. */
const mostAttempts = 9

/** `pieceSize`: bytes of one read of the reply. */
export function scriptedUpstream(name: UpstreamName, scripts: readonly Script[], pieceSize: number): ScriptedUpstream {
  const replies = scripts.length === 0 ? [hello] : scripts
  switch (name) {
    case 'zai-api':
      return official(replies, pieceSize)
    case 'zai-web':
      return site(replies, pieceSize)
    case 'demo':
      return { upstream: demo({ clock: manualClock(), idleMs: 1_000, paceMs: 0 }), bodies: () => [] }
    default:
      return name satisfies never
  }
}

function official(scripts: readonly Script[], pieceSize: number): ScriptedUpstream {
  let attempt = 0
  const api = scriptedApi(['key-1'], () => {
    const script = scripts[Math.min(attempt++, scripts.length - 1)] ?? hello
    if (script.refusal) return refusal(script.refusal.status, script.refusal.code, script.refusal.message)
    const datas = (script.chunks ?? []).map(({ usage, ...rest }) =>
      chunkText({ ...rest, ...(usage ? { usage: usage === true ? someUsage : usage } : {}) }),
    )
    return streamOf([...datas, '[DONE]'], pieceSize)
  })
  const upstream = apiUpstream({
    ...{ origin, key: 'key-1', fetch: api.fetch, idleMs: 120_000, clock: manualClock(), queue: nobodyWaits },
  })
  return { upstream, bodies: () => api.to(chatRoute).map(({ body }) => body) }
}

function site(scripts: readonly Script[], pieceSize: number): ScriptedUpstream {
  const zai = chatZai()
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const script = scripts[Math.min(attempt, scripts.length - 1)] ?? hello
    const datas = framesOf(script).map((data) => JSON.stringify({ type: 'chat:completion', data }))
    zai.script(completionRoute, () => streamOf([...datas, '[DONE]'], pieceSize))
  }
  const clock = manualClock()
  const loan = lending<CredentialSource>(clock, nobodyWaits)
  return {
    upstream: zaiWeb(webDefaults, {
      ...loan,
      fetch: zai.fetch,
      clock,
      newUuid: () => crypto.randomUUID(),
      log: () => {},
    }),
    bodies: () => zai.to(completionRoute).map(({ body }) => body),
  }
}

const end = { done: true, phase: 'done', delta_content: '' }

/** What the site would send of a script. Throws for what it has no words for. */
function framesOf({ frames, chunks = [], refusal }: Script): object[] {
  if (refusal) return [{ done: true, error: { code: refusal.code, detail: refusal.message } }]
  if (frames) return [...frames, end]
  const translated = chunks.flatMap(({ delta = {}, usage }) => {
    const { content, reasoning_content: reasoning, role: _, ...others } = delta
    const [strange] = Object.keys(others)
    if (strange !== undefined) throw new Error(`the chat site has no words for ${strange}: name zai-api alone`)
    return [
      ...(reasoning ? [{ phase: 'thinking', delta_content: reasoning }] : []),
      ...(content ? [{ phase: 'answer', delta_content: content }] : []),
      ...(usage ? [{ phase: 'other', usage: usage === true ? someUsage : usage }] : []),
    ]
  })
  return [...translated, end]
}

function streamOf(datas: readonly string[], pieceSize: number): Response {
  const bytes = new TextEncoder().encode(datas.map((data) => `data: ${data}\n\n`).join(''))
  return eventStream(inPieces(bytes, pieceSize))
}
