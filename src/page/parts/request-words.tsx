import type { RequestRow } from '../../admin/schema/requests.ts'
import { now } from '../api/live.ts'
import { t } from '../i18n.ts'
import { Dim, type Mark, Status } from './status.tsx'

/** Enough of an id to tell it from its neighbours. */
export const shortId = (id: string): string => (id.length > 9 ? id.replace(/^[a-z]+_/i, '').slice(0, 4) : id)

/** The sender: the client, its session and the agent in it. */
export function Who({ row }: { row: RequestRow }) {
  const { client, session, agent, key } = row
  const rest = [session && shortId(session), agent && shortAgent(agent)].filter(Boolean).join(' ')
  return (
    <>
      {client?.name ?? key.label} {rest && <Dim>{rest}</Dim>}
    </>
  )
}

const shortAgent = (agent: string): string => (agent.length > 16 ? agent.slice(0, 8) : agent)

export const isOver = (row: RequestRow): boolean => row.state === 'done'

/** 499: the client has left. */
export const clientLeft = (row: RequestRow): boolean => row.status === 499

export const hasFailed = (row: RequestRow): boolean =>
  row.state === 'done' && !clientLeft(row) && (row.error !== undefined || (row.status ?? 200) >= 400)

export function markOf(row: RequestRow): Mark {
  if (row.state === 'waiting') return 'wait'
  if (row.state !== 'done') return 'run'
  if (clientLeft(row)) return 'off'
  return hasFailed(row) ? 'bad' : 'no'
}

/** What a request under way does, as a sentence. */
export function phaseText(row: RequestRow): string {
  switch (row.state) {
    case 'reading':
      return t('reading')
    case 'waiting':
      return row.place ? t('waitingPlace', row.place.n, row.place.of) : t('waiting')
    case 'reasoning':
      return t('thinking')
    case 'writing':
      return t('writing')
    case 'tool':
      return row.tool ? t('calling', row.tool) : t('toolCall')
    default:
      return String(row.status ?? '')
  }
}

export function Phase({ row }: { row: RequestRow }) {
  return <Status mark={markOf(row)}>{phaseText(row)}</Status>
}

/** How long it has taken, or takes so far. */
export const totalMs = (row: RequestRow): number => row.total_ms ?? Math.max(0, now.value - row.at)

/** Tokens per second, from the first token on; `undefined` if that is too short to measure. */
export function speed(row: RequestRow): number | undefined {
  if (!row.output || row.first_ms === undefined) return undefined
  const writing = totalMs(row) - row.first_ms
  return writing < 100 ? undefined : Math.round(row.output / (writing / 1000))
}

/** As in the list: short, with the reason behind the status. */
export function stateWord(row: RequestRow) {
  if (row.state !== 'done') {
    const words = {
      reading: 'readingLow',
      waiting: 'waitingLow',
      reasoning: 'thinkingLow',
      writing: 'writingLow',
    } as const
    return row.state === 'tool' ? t('toolCallLow') : t(words[row.state])
  }
  if (clientLeft(row)) return ['499 ', <Dim key="why">{t('clientLeft')}</Dim>]
  if (hasFailed(row)) return `${row.status ?? ''} ${shortCode(row.error?.code ?? '')}`
  return [`${row.status ?? 200} `, <Dim key="why">{row.stop_reason}</Dim>]
}

/** The short form for a list. The full sentence is the title of the cell. */
const shortCodes: Readonly<Record<string, string>> = {
  budget_used_up: 'budget',
  budget_reserved: 'budget',
  captcha_required: 'captcha',
  context_length_exceeded: 'context',
  content_filter: 'content',
  insufficient_quota: 'quota',
  usage_limit_reached: 'quota',
  rate_limit_exceeded: 'rate limit',
  model_not_found: 'model',
  model_not_available: 'model',
  model_overloaded: 'overloaded',
  invalid_request: 'invalid',
  invalid_api_key: 'key',
  repetition_loop: 'loop',
}

/** `upstream_truncated` → `truncated` */
function shortCode(code: string): string {
  return shortCodes[code] ?? code.replace(/^upstream_/, '').replaceAll('_', ' ')
}

/** `claude-opus-4-8` → `opus`; other names as they are. */
export const shortModel = (name: string): string => /^claude-.*?(opus|sonnet|haiku)/.exec(name)?.[1] ?? name
