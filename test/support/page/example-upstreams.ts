import type { Credential, Upstream, UpstreamBrief, UpstreamChange } from '../../../src/admin/schema/upstreams.ts'

export function exampleUpstreams(at: number): UpstreamBrief[] {
  const quota = {
    plan: 'Pro',
    at,
    limits: [
      {
        ...{ kind: 'credits', window: { unit: 'hour', count: 5 }, used: 3702, total: 12_000, left: 8298 },
        ...{ used_percent: 30.9, resets_at: at + 86 * 60_000 },
      },
      {
        ...{ kind: 'credits', window: { unit: 'week', count: 1 }, used: 31_660, total: 60_000, left: 28_340 },
        ...{ used_percent: 52.8, resets_at: at + 4 * 86_400_000 },
      },
    ],
  } satisfies UpstreamBrief['quota']
  return [
    {
      ...{
        id: 'zai-coding',
        label: 'coding plan',
        kind: 'zai-api',
        state: 'ready',
        busy: 3,
        waiting: 2,
        of: 3,
        free: 0,
      },
      ...{ text: '2 waiting on glm-5.3; 3 at a time is what Z.AI allows', quota },
    },
    {
      ...{ id: 'zai-api', label: 'pay as you go', kind: 'zai-api', state: 'cooling', busy: 0, waiting: 0, of: 4 },
      ...{ text: 'cooling 47 s after 1302', until: at + 47_000 },
    },
    {
      ...{ id: 'zai-web', label: 'guests', kind: 'zai-web', state: 'blocked', busy: 0, waiting: 0 },
      text: 'captcha wall since 09:12',
    },
  ]
}

/** The same with their credentials; the width of the first has been learned by refusals. */
export function exampleUpstreamDetails(at: number): Upstream[] {
  const [coding, official, web] = exampleUpstreams(at)
  const model = { busy: 0, waiting: 0, refused: 0, state: 'ready' } as const
  const credential = {
    ...{ state: 'ready', paused: false, busy: 0, refused_1h: 0, requests_1h: 198, models: [] },
    ...{ id: 'c1', name: 'key 1', fingerprint: '7c31…a41c', source: 'ZAI_API_KEY' },
  } satisfies Credential
  const refusal = { at: at - 90_000, code: '1302', text: 'too many at once' }
  const change = (minutes: number, limit: number): UpstreamChange => ({
    ...{ at: at - minutes * 60_000, credential: 'c1', model: 'glm-5.3', limit, code: '1302' },
    kind: limit === 4 ? 'limit-raised' : 'limit-lowered',
  })
  return [
    {
      ...(coding as UpstreamBrief),
      credentials: [
        {
          ...{ ...credential, state: 'busy', busy: 3, learned_limit: 3, refused_1h: 23, last_refusal: refusal },
          models: [
            { ...model, model: 'glm-5.3', busy: 3, waiting: 2, refused: 23, learned_limit: 3, last_refusal: refusal },
            { ...model, model: 'glm-4.7', learned_limit: 4 },
            { ...model, model: 'glm-5.4' },
          ],
        },
      ],
      history: [change(70, 4), change(48, 3), change(38, 4), change(26, 3), change(16, 4), change(12, 3)],
    },
    {
      ...(official as UpstreamBrief),
      credentials: [
        { ...credential, spent: { usd: 1.47 } },
        {
          ...{ ...credential, id: 'c2', name: 'key 2', fingerprint: 'b9d4…1c08', state: 'cooling', reason: refusal },
          ...{ until: at + 47_000, refused_1h: 3 },
        },
      ],
      history: [],
    },
    { ...(web as UpstreamBrief), credentials: [], history: [] },
  ]
}
