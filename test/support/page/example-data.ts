import type { AgentSession } from '../../../src/admin/schema/agent-sessions.ts'
import type { Now } from '../../../src/admin/schema/now.ts'
import type {
  BodyName,
  CapturedBody,
  RequestDetail,
  RequestPage,
  RequestRow,
} from '../../../src/admin/schema/requests.ts'
import type { Setup } from '../../../src/admin/schema/setups.ts'
import type { Credential, Upstream, UpstreamBrief, UpstreamChange } from '../../../src/admin/schema/upstreams.ts'
import type { UsageSlot } from '../../../src/admin/schema/usage.ts'
import { peakSpans } from '../../../src/models/cost.ts'

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
      error: { code: 'budget_used_up', message: 'The budget of this key is used up.', remedy: 'Wait until 18:00.' },
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
      ...{
        requests: 486,
        errors: 5,
        slow: 31,
        noted: 44,
        input: 8_240_120,
        cached: 7_498_509,
        output: 580_010,
        credits: 1612,
      },
      first_ms: { median: 2100, p95: 8800 },
      per_minute: Array.from({ length: 60 }, (_, minute) => 3 + ((minute * 7) % 11)),
      errors_per_minute: Array.from({ length: 60 }, (_, minute) => (minute % 13 === 4 ? 1 : 0)),
    },
    peak_hours: peakSpans(at - 86_400_000, at + 7 * 86_400_000),
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
  }
}

export const exampleSetups: Setup[] = [
  {
    ...{ client: 'claude', label: 'Claude Code', command: 'zai2api claude' },
    text: 'export ANTHROPIC_BASE_URL=http://127.0.0.1:8080\nexport ANTHROPIC_AUTH_TOKEN=z2a_…',
  },
  { client: 'openai', label: 'OpenAI SDK', text: 'export OPENAI_BASE_URL=http://127.0.0.1:8080/v1' },
]

/** As many as there are rows in a long list, page by page. */
export const longList = 100_000

export function examplePage(at: number, query: URLSearchParams, most = 200): RequestPage {
  const over = exampleRows(at).filter(({ state }) => state === 'done')
  const from = Number(query.get('before') ?? 0)
  const count = Math.min(most, longList - from)
  const rows = Array.from({ length: count }, (_, n): RequestRow => {
    const number = from + n
    const sample = over[number % over.length] as RequestRow
    return number < over.length ? sample : { ...sample, id: `req_${number}`, at: at - 300_000 - number * 1000 }
  })
  return from + count < longList ? { rows, next: String(from + count) } : { rows }
}

export function exampleDetail(row: RequestRow): RequestDetail {
  return {
    ...row,
    timeline: [
      { kind: 'read', from_ms: 0, to_ms: 6, detail: '184 KB' },
      { kind: 'queue', attempt: 2, from_ms: 315, to_ms: 3165, detail: 'place 1, width 4 → 3' },
      { kind: 'connect', attempt: 2, from_ms: 3165, to_ms: 3166, detail: 'reused' },
      { kind: 'headers', attempt: 2, from_ms: 3166, to_ms: 3837 },
      { kind: 'first', attempt: 2, from_ms: 3837, to_ms: 5100 },
      { kind: 'reasoning', attempt: 2, from_ms: 5100, to_ms: 10_020, detail: '486 tokens' },
      { kind: 'text', attempt: 2, from_ms: 10_020, to_ms: 13_460, detail: '212 tokens' },
      { kind: 'tool', attempt: 2, from_ms: 13_460, to_ms: 18_390, label: 'Edit', detail: '506 tokens' },
      { kind: 'close', from_ms: 18_390, to_ms: 18_393 },
    ],
    attempts: [
      {
        ...{ n: 1, upstream: 'zai-coding', credential: '7c31…a41c', status: 429, started_ms: 6, ended_ms: 315 },
        error: { code: '1302', message: 'too many at once' },
      },
      {
        n: 2,
        upstream: 'zai-coding',
        credential: '7c31…a41c',
        status: 200,
        started_ms: 3165,
        ended_ms: 18_390,
        reused: true,
      },
    ],
    routing: [
      { from: 'claude-opus-4-8', to: 'glm-5.3', by: 'PRIMARY_MODEL' },
      { from: '', to: 'zai-coding before zai-api', by: 'UPSTREAMS order' },
      { from: '', to: 'key 7c31…a41c', by: 'the only one' },
    ],
    bodies: {
      'client-request': { bytes: 184_000, chunks: 1, truncated: false },
      'upstream-request': { bytes: 171_000, chunks: 1, truncated: false },
      'upstream-reply': { bytes: 61_000, chunks: 4, truncated: false },
      'client-reply': { bytes: 48_000, chunks: 8, truncated: true },
    },
    previous: 'req_1',
    next: 'req_2',
    first_difference: { index: 3, of: 4, role: 'assistant', tokens: 5803 },
  }
}

const asked = {
  model: 'claude-opus-4-8',
  max_tokens: 32_000,
  stream: true,
  system: [{ type: 'text', text: 'You are an agent that edits code.' }],
  tools: [
    { name: 'Bash', input_schema: { type: 'object' } },
    { name: 'Edit', input_schema: { type: 'object' } },
  ],
  thinking: { type: 'adaptive' },
  output_config: { effort: 'high' },
  messages: [
    { role: 'user', content: 'The retry test fails on CI.' },
    { role: 'assistant', content: [{ type: 'text', text: 'I look at the test first.' }] },
    {
      role: 'assistant',
      content: [{ type: 'tool_use', id: 'toolu_01Vd7c', name: 'Bash', input: { command: 'bun test' } }],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_01Vd7c', content: 'expected "1", received "0"\n 11 pass, 1 fail' },
      ],
    },
  ],
}

const sent = {
  model: 'glm-5.3',
  max_tokens: 32_000,
  stream: true,
  tools: [
    { type: 'function', function: { name: 'Bash' } },
    { type: 'function', function: { name: 'Edit' } },
  ],
  thinking: { type: 'enabled', clear_thinking: false },
  reasoning_effort: 'high',
  tool_stream: true,
  messages: [
    { role: 'system', content: 'You are an agent that edits code.' },
    { role: 'user', content: 'The retry test fails on CI.' },
    { role: 'assistant', content: 'I look at the test first.' },
    { role: 'tool', tool_call_id: 'toolu_01Vd7c', content: 'expected "1", received "0"\n 11 pass, 1 fail' },
  ],
}

const event = (value: { type: string; [field: string]: unknown }) =>
  `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`
const frame = (delta: object, more: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, ...more }] })}\n\n`

export function exampleBody(name: BodyName): CapturedBody {
  const headers: CapturedBody['headers'] = [
    ['content-type', name.endsWith('request') ? 'application/json' : 'text/event-stream'],
  ]
  if (name.endsWith('request')) {
    const text = JSON.stringify(name === 'client-request' ? asked : sent)
    const url = name === 'client-request' ? '/v1/messages' : 'https://api.z.ai/api/coding/paas/v4/chat/completions'
    return { method: 'POST', url, headers, chunks: [{ at_ms: 0, text }], bytes: text.length }
  }
  const chunks =
    name === 'upstream-reply'
      ? [
          { at_ms: 5104, text: frame({ reasoning_content: 'The test fails because the wait is rounded down.' }) },
          { at_ms: 10_020, text: frame({ content: 'The header is written as 0.' }) },
          {
            at_ms: 13_460,
            text: frame({
              tool_calls: [
                {
                  id: 'call_8f2',
                  index: 0,
                  function: { name: 'Edit', arguments: '{"file_path":"src/core/errors.ts"}' },
                },
              ],
            }),
          },
          { at_ms: 18_386, text: `${frame({}, { finish_reason: 'tool_calls' })}data: [DONE]\n\n` },
        ]
      : [
          { at_ms: 5101, text: event({ type: 'message_start', message: { usage: { input_tokens: 5803 } } }) },
          { at_ms: 5104, text: event({ type: 'content_block_start', index: 0, content_block: { type: 'thinking' } }) },
          {
            at_ms: 5110,
            text: event({
              type: 'content_block_delta',
              index: 0,
              delta: { type: 'thinking_delta', thinking: 'The test fails because the wait is rounded down.' },
            }),
          },
          {
            at_ms: 10_020,
            text: event({
              type: 'content_block_delta',
              index: 1,
              delta: { type: 'text_delta', text: 'The header is written as 0 when the wait is under half a second.' },
            }),
          },
          {
            at_ms: 13_500,
            text: event({
              type: 'content_block_start',
              index: 2,
              content_block: { type: 'tool_use', id: 'toolu_01YkQ8', name: 'Edit' },
            }),
          },
          {
            at_ms: 13_510,
            text: event({
              type: 'content_block_delta',
              index: 2,
              delta: { type: 'input_json_delta', partial_json: '{"file_path":"src/core/errors.ts"}' },
            }),
          },
          {
            at_ms: 18_390,
            text: event({ type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 1204 } }),
          },
        ]
  return { status: 200, headers, chunks, bytes: chunks.reduce((sum, { text }) => sum + text.length, 0) }
}

export function exampleSessions(at: number): AgentSession[] {
  const session = (id: string, client: string, fields: Partial<AgentSession>): AgentSession => ({
    ...{
      id,
      client,
      started_at: at - 6_300_000,
      last_at: at - 4000,
      turns: 43,
      agents: [],
      models: ['glm-5.3', 'glm-4.7'],
    },
    ...{ input: 4_700_000, cached: 4_371_000, output: 112_300, credits: 1204, context: 122_000, window: 200_000 },
    ...fields,
  })
  return [
    session('7f3a2a90-aa1b-4b52-9e34-17ab4a5f0c11', 'Claude Code', {
      agents: [
        { id: 'main', turns: 27, input: 4_200_000, cached: 3_990_000, output: 80_300, credits: 1027, context: 122_000 },
        {
          id: 'a81f',
          label: 'explore-1',
          parent: 'main',
          turns: 9,
          input: 280_000,
          cached: 252_000,
          output: 8_400,
          credits: 96,
          context: 38_000,
        },
        {
          id: 'b93c',
          label: 'explore-2',
          parent: 'main',
          turns: 7,
          input: 220_000,
          cached: 195_800,
          output: 11_900,
          credits: 81,
          context: 36_000,
        },
      ],
    }),
    session('019a7', 'Codex', { turns: 28, context: 64_000, window: 1_048_576, credits: 611 }),
    session('4b2d', 'opencode', { turns: 19, context: 23_000, credits: undefined, usd: 0.021 }),
  ]
}

/** A context that grows, is compacted once, and whose cache breaks once. */
export function exampleTurns(at: number): RequestRow[] {
  const sample = exampleRows(at).find(({ state }) => state === 'done') as RequestRow
  return Array.from({ length: 43 }, (_, turn): RequestRow => {
    const input = turn < 28 ? 26_000 + turn * 6000 : 41_000 + (turn - 28) * 5400
    const cached = turn === 36 || turn === 28 ? 8000 : Math.round(input * 0.94)
    return {
      ...sample,
      id: `req_turn_${turn}`,
      at: at - (43 - turn) * 60_000,
      status: 200,
      error: undefined,
      input,
      cached,
    }
  })
}

export function exampleUsage(query: URLSearchParams): UsageSlot[] {
  const [from, to] = [Number(query.get('from')), Number(query.get('to'))]
  const step = query.get('by') === 'day' ? 86_400_000 : 3_600_000
  const slots: UsageSlot[] = []
  for (let at = from; at < to; at += step) {
    const load = 1 + Math.sin(at / 15_000_000)
    for (const [group, share] of [
      ['glm-5.3', 1],
      ['glm-5.3-flash', 0.4],
      ['glm-4.7', 0.2],
    ] as const)
      slots.push({
        ...{ at, group, requests: Math.round(80 * load * share), errors: Math.round(load * share) },
        ...{ input: Math.round(3e6 * load * share), cached: Math.round(2.6e6 * load * share) },
        ...{ output: Math.round(2e5 * load * share), reasoning: Math.round(9e4 * load * share) },
        ...(group === 'glm-5.3-flash' ? { usd: 0.09 * load } : { credits: 400 * load * share }),
      })
  }
  return slots
}

export const examplePeak = (query: URLSearchParams) =>
  query.get('by') === 'hour' ? peakSpans(Number(query.get('from')), Number(query.get('to'))) : []
