import { truncate } from '../core/truncate.ts'
import type { RequestRecord } from './record.ts'

/** In characters: the whole line behind the time, so that a terminal of 100 columns shows it unbroken. */
const width = 91

/**
 * A request as one line for people, which follows the time:
 * `200 Claude Code claude-opus-4 → glm-5.3         0.8s  12.4s  12.3k→340  $0.0123  1 retry`
 *
 * Columns: status, client, model asked for → model that answers (or the path, without a model), time to the first token,
 * total time, tokens in → out, cost, and an error or the notes as far as they fit.
 */
export function requestLine(record: RequestRecord, totalMs: number): string {
  const { status = record.error?.status ?? 0, client, firstTokenMs, usage, cost, error, notes } = record
  const columns = [
    String(status).padStart(3),
    cut(client?.name ?? '-', 11).padEnd(11),
    cut(subjectOf(record), 30).padEnd(30),
    (firstTokenMs === undefined ? '' : seconds(firstTokenMs)).padStart(5),
    seconds(totalMs).padStart(6),
  ]
  const rest = [
    usage && `${count(usage.inputTokens)}→${count(usage.outputTokens)}`,
    cost?.usd === undefined ? undefined : `$${cost.usd.toFixed(4)}`,
    cost?.credits === undefined ? undefined : `${Math.round(cost.credits * 100) / 100} cr`,
    error?.code,
    notes.length === 0 ? undefined : notes.join('; '),
  ].filter((part) => part !== undefined)
  return cut([columns.join(' '), ...rest].join('  '), width).trimEnd()
}

function subjectOf({ method, path, requestedModel, model }: RequestRecord): string {
  if (model === undefined) return `${method} ${path}`
  return requestedModel === undefined || requestedModel === model ? model : `${cut(requestedModel, 14)} → ${model}`
}

/** The text in at most so many characters, with `…` as the last one where it was longer. */
function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${truncate(text, longest - 1).slice(0, longest - 1)}…`
}

/** `0.8s`, `12.4s`, `143s` */
function seconds(ms: number): string {
  return ms < 100_000 ? `${(ms / 1000).toFixed(1)}s` : `${Math.round(ms / 1000)}s`
}

/** `340`, `12.3k`, `1.2M` */
function count(tokens: number): string {
  if (tokens < 1_000) return String(tokens)
  return tokens < 999_950 ? `${(tokens / 1_000).toFixed(1)}k` : `${(tokens / 1_000_000).toFixed(1)}M`
}
