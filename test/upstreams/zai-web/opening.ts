import type { Delta } from '../../../src/core/events.ts'
import type { ChatRequest, Tool } from '../../../src/core/request.ts'
import type { Model, UpstreamCall } from '../../../src/core/upstream.ts'
import { type ZaiWebOptions, zaiWeb } from '../../../src/upstreams/zai-web/index.ts'
import { unpaidBill } from '../../support/bills.ts'
import { type ChatZai, type ChatZaiOptions, chatZai, errorFrame, json, webDefaults } from '../../support/chat-zai.ts'
import { manualClock } from '../../support/clock.ts'
import { lending } from '../../support/pool.ts'
import { readAll } from '../../support/read-all.ts'
import { fromTheStart } from '../../support/replies.ts'
import { plainRequest } from '../../support/request.ts'

export const auths = 'GET /api/v1/auths/'
export const chats = 'POST /api/v1/chats/new'
export const cleanup = 'DELETE /api/v1/chats/'

export const model: Model = {
  id: 'GLM-4.7',
  upstreamId: 'glm-4.7',
  createdAtSeconds: 0,
  vision: false,
  reasoning: 'on-request',
  search: true,
}

export const weather: Tool = {
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
}

interface SetUp {
  options?: Partial<ZaiWebOptions>
  client?: ChatZaiOptions
  uuids?: string[]
}

export function setUp({ options = {}, client = {}, uuids = [] }: SetUp = {}) {
  const clock = manualClock()
  const zai = chatZai({ ...client, now: clock.now })
  const notes: string[] = []
  const logged: string[] = []
  let serial = 0
  const newUuid = () => uuids.shift() ?? `00000000-0000-4000-8000-${String(++serial).padStart(12, '0')}`
  const log = (_level: string, message: string) => void logged.push(message)
  const make = (more: Partial<ZaiWebOptions> = {}, fetch = zai.fetch) =>
    zaiWeb({ ...defaults, ...options, ...more }, { ...lending(clock), fetch, clock, newUuid, log })
  const call = (more: Partial<ChatRequest> = {}, callMore: Partial<UpstreamCall> = {}): UpstreamCall => ({
    request: { ...request, ...more },
    model,
    signal: new AbortController().signal,
    caller: 'key',
    whole: false,
    bill: unpaidBill(more.sampling?.maxTokens),
    annotate: (note) => void notes.push(note),
    ...callMore,
  })
  return { clock, zai, notes, logged, make, call }
}

const defaults: ZaiWebOptions = { ...webDefaults, frontEndVersion: 'prod-fe-1.1.90', headersTimeoutMs: 30_000 }

export const request = plainRequest({
  model: 'GLM-4.7',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hello, GLM!' }] }],
  reasoning: { mode: 'on' },
})

export type Opening = ReturnType<ReturnType<typeof zaiWeb>['open']>

export async function all(opened: Opening): Promise<Delta[]> {
  return await readAll(fromTheStart(await opened))
}

export async function textOf(opened: Opening): Promise<string> {
  return (await all(opened)).map((delta) => (delta.type === 'text' ? delta.text : '')).join('')
}

export function tokensTo(zai: ChatZai, route: string): (string | undefined)[] {
  return zai.to(route).map((seen) => seen.token)
}

export const captcha = () => errorFrame({ code: 'FRONTEND_CAPTCHA_REQUIRED', captcha_error_type: 'missing_param' })
export const unauthorized = () => json({ detail: '401 Unauthorized' }, 401)
