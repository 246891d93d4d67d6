import type { Now } from '../../../src/admin/schema/now.ts'
import type { RequestRow } from '../../../src/admin/schema/requests.ts'
import type { UpstreamBrief } from '../../../src/admin/schema/upstreams.ts'

/** Of everything the page shows there is an example: long and short, failed and under way. Times count back from `at`. */
export function exampleRows(at: number): RequestRow[] {
  const row = (seconds: number, fields: Partial<RequestRow>): RequestRow => ({
    id: `req_${String(Math.round(seconds * 10)).padStart(8, '0')}`,
    at: at - seconds * 1000,
    key: { id: 'key_1', label: 'claude-code' },
    dialect: 'anthropic-messages',
    route: '/v1/messages',
    asked: 'claude-opus-4-8',
    model: 'glm-5.3',
    upstream: 'zai-coding',
    credential: '7c31…a41c',
    client: { name: 'Claude Code', version: '2.1.330' },
    session: '7f3a2a90-aa1b-4b52-9e34-17ab4a5f0c11',
    state: 'done',
    status: 200,
    stream: true,
    notes: [],
    ignored: [],
    ...fields,
  })
  const python = { client: { name: 'openai-python' }, session: undefined, dialect: 'openai-chat', upstream: 'zai-api' }
  const codex = { client: { name: 'Codex' }, session: '019a7', dialect: 'openai-responses', asked: 'glm-5.3' }
  const under = { status: undefined }
  return [
    row(4.2, { ...under, state: 'waiting', place: { n: 2, of: 2 }, agent: 'explore-2', wait_ms: 4200 }),
    row(8.9, {
      ...under,
      ...python,
      state: 'writing',
      model: 'glm-5.3-flash',
      asked: 'glm-5.3-flash',
      first_ms: 620,
      output: 1044,
    }),
    row(12.1, { ...under, ...codex, state: 'waiting', place: { n: 1, of: 2 }, wait_ms: 12_100 }),
    row(38.4, { ...under, state: 'reasoning', session: 'c05e1', first_ms: 2410, output: 1902 }),
    row(46.8, { ...under, state: 'tool', tool: 'Grep', agent: 'explore-1', first_ms: 1980, output: 2677 }),
    row(20, {
      ...{ ...python, client: { name: 'opencode' }, session: '4b2d', model: undefined, asked: 'glm-5.3-flash' },
      ...{ status: 402, total_ms: 12, notes: ['resets 18:00'], upstream: undefined },
      error: { code: 'budget_exceeded', message: 'The budget of this key is used up.', remedy: 'Wait until 18:00.' },
    }),
    row(31, {
      status: 200,
      stop_reason: 'end_turn',
      first_ms: 710,
      total_ms: 1280,
      input: 1204,
      cached: 0,
      output: 14,
      credits: 0.6,
      price: 'peak',
    }),
    row(53, {
      ...{ ...python, status: 200, stop_reason: 'stop', first_ms: 580, total_ms: 7640, model: 'glm-5.3-flash' },
      ...{ input: 3812, cached: 2363, output: 866, usd: 0.0007, asked: 'glm-5.3-flash' },
    }),
    row(88, {
      ...{ stop_reason: 'tool_use', wait_ms: 3170, first_ms: 5100, total_ms: 18_400, input: 118_432, cached: 112_629 },
      ...{ output: 1204, reasoning: 486, credits: 26, price: 'peak', notes: ['1302 ×1, waited out'] },
    }),
    row(103, {
      ...{
        client: { name: 'Open WebUI' },
        session: undefined,
        dialect: 'openai-chat',
        model: 'GLM-4.5',
        asked: 'GLM-4.5',
      },
      ...{ upstream: 'zai-web', status: 403, total_ms: 840, notes: ['guests are blocked'] },
      error: { code: 'captcha_required', message: 'Z.AI asks for a browser check.', remedy: 'Set ZAI_API_KEY.' },
    }),
    row(150, { status: 499, first_ms: 2110, total_ms: 6400, input: 36_008, cached: 32_407, output: 204, credits: 8.5 }),
    row(200, {
      ...{ ...codex, stop_reason: 'completed', first_ms: 2550, total_ms: 66_100, input: 60_188, cached: 56_577 },
      ...{ output: 4705, reasoning: 3377, credits: 23.3 },
    }),
  ]
}

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

export function exampleNow(at: number): Now {
  return {
    version: '2.0.0',
    at,
    started_at: at - 6 * 3_600_000,
    ready: true,
    credentials: { ready: 3, of: 5 },
    base_urls: { openai: 'http://127.0.0.1:8080/v1', anthropic: 'http://127.0.0.1:8080' },
    running: exampleRows(at).filter(({ state }) => state !== 'done'),
    last_hour: {
      ...{ requests: 486, errors: 5, input: 8_240_120, cached: 7_498_509, output: 580_010, credits: 1612 },
      first_ms: { median: 2100, p95: 8800 },
      per_minute: Array.from({ length: 60 }, (_, minute) => 3 + ((minute * 7) % 11)),
    },
    troubles: [
      {
        ...{ code: 'captcha_required', text: 'chat.z.ai turns guests away with a captcha', since: at - 6 * 3_600_000 },
        ...{ remedy: 'Use ZAI_API_KEY, or sign in at chat.z.ai and set ZAI_TOKEN.', upstream: 'zai-web' },
      },
      {
        ...{
          code: 'context_length_exceeded',
          text: 'Context too long',
          since: at - 180_000,
          last_at: at - 180_000,
          count: 1,
        },
        remedy: 'Nothing: the client compacted and went on.',
      },
      {
        ...{ code: 'budget_exceeded', text: 'Budget used up', since: at - 60_000, last_at: at - 60_000, count: 1 },
        remedy: 'Wait until 18:00, or raise it under Keys.',
      },
    ],
    upstreams: exampleUpstreams(at),
    capture: { mode: 'memory', configured: 'metadata', until: at + 30 * 60_000, used_bytes: 41e6, max_bytes: 64e6 },
    setups: [
      {
        ...{ client: 'claude', label: 'Claude Code', command: 'zai2api claude' },
        text: 'export ANTHROPIC_BASE_URL=http://127.0.0.1:8080\nexport ANTHROPIC_AUTH_TOKEN=z2a_…',
      },
      { client: 'openai', label: 'OpenAI SDK', text: 'export OPENAI_BASE_URL=http://127.0.0.1:8080/v1' },
    ],
  }
}
