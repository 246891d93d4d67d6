import type { RequestDetail, RequestPage, RequestRow } from '../../../src/admin/schema/requests.ts'

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
