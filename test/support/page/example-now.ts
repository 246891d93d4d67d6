import type { Now } from '../../../src/admin/schema/now.ts'
import type { Setup } from '../../../src/admin/schema/setups.ts'
import type { UsageSlot } from '../../../src/admin/schema/usage.ts'
import { peakSpans } from '../../../src/models/cost.ts'
import { exampleRows } from './example-requests.ts'
import { exampleUpstreams } from './example-upstreams.ts'

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
