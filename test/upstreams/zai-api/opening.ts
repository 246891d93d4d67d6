import type { Delta } from '../../../src/core/events.ts'
import type { ChatRequest } from '../../../src/core/request.ts'
import type { UpstreamCall } from '../../../src/core/upstream.ts'
import { type ZaiApiOptions, zaiApi } from '../../../src/upstreams/zai-api/index.ts'
import { unpaidBill } from '../../support/bills.ts'
import { manualClock } from '../../support/clock.ts'
import { lending } from '../../support/pool.ts'
import { readAll } from '../../support/read-all.ts'
import { fromTheStart } from '../../support/replies.ts'
import { baseUrl, type ScriptedApi, scriptedApi } from '../../support/zai-api.ts'
import { modelNamed, request } from './support.ts'

export function setUp(
  keys: string[] = ['key-1'],
  options: Partial<ZaiApiOptions> = {},
  api: ScriptedApi = scriptedApi(keys),
) {
  const clock = manualClock()
  const notes: string[] = []
  const logged: string[] = []
  let serial = 0
  const upstream = (more: Partial<ZaiApiOptions> = {}, fetch = api.fetch) =>
    zaiApi(
      {
        keys,
        baseUrl,
        idleMs: 120_000,
        headersTimeoutMs: 30_000,
        modelsTtlMs: 600_000,
        scanLimit: 200_000,
        tools: true,
        ...options,
        ...more,
      },
      {
        ...lending(clock),
        fetch,
        clock,
        newUuid: () => `request-${++serial}`,
        log: (_level, message) => void logged.push(message),
      },
    )
  const call = (
    more: Partial<ChatRequest> = {},
    callMore: Partial<UpstreamCall> = {},
    model = 'glm-4.7',
  ): UpstreamCall => ({
    request: { ...request, ...more },
    model: modelNamed(model),
    signal: new AbortController().signal,
    caller: 'key',
    whole: false,
    bill: unpaidBill(more.sampling?.maxTokens),
    annotate: (note) => void notes.push(note),
    ...callMore,
  })
  return { api, clock, notes, logged, upstream, call }
}

type Opening = ReturnType<ReturnType<typeof zaiApi>['open']>

export async function all(opening: Opening): Promise<Delta[]> {
  return await readAll(fromTheStart(await opening))
}

const textOf = (deltas: Delta[]) => deltas.flatMap((delta) => (delta.type === 'text' ? [delta.text] : [])).join('')
export const outcome = (opening: Opening) => all(opening).then(textOf, (error) => error.code as string)
