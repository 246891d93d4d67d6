import type { RequestDetail, Step } from '../../admin/schema/requests.ts'
import { span } from '../format.ts'
import { gatewayText, t } from '../i18n.ts'

type Kind = Step['kind']

/**
 * Looks of the bars: waiting is hatched, refused red, before the first token grey, reasoning pale, and writing solid.
 */
const looks: Record<Kind, string> = {
  read: 'f',
  count: 'f',
  queue: 'q',
  backoff: 'q',
  mcp: 'f',
  connect: 'f',
  headers: 'f',
  first: 'f',
  reasoning: 'r',
  text: 'w',
  tool: 'w',
  store: 'f',
  close: 'f',
}

interface Line {
  key: string
  name: string
  from: number
  to: number
  look: string
  detail: string | undefined
  sub: boolean
  took: string
}

/** The time of a request from its first byte to its last, each step where it happened. */
export function Waterfall({ request }: { request: RequestDetail }) {
  const lines = linesOf(request)
  const total = Math.max(1, request.total_ms ?? 0, ...lines.map(({ to }) => to))
  const step = roundStep(total / 4)
  const marks = Array.from({ length: Math.floor(total / step) + 1 }, (_, n) => n * step)
  const at = (ms: number) => `${((100 * ms) / total).toFixed(2)}%`
  return (
    <>
      <div class="sec first">
        <h2>{t('timing')}</h2>
        <span class="end legend">
          <Legend look="hatch" color="--warn-fill" text={t('waitingLow')} />
          <Legend color="--bad-fill" text={t('refused')} />
          <Legend color="--s-idle" text={t('noTokenYet')} />
          <Legend color="--s2" text={t('thinkingLow')} />
          <Legend color="--accent" text={t('writingLow')} />
        </span>
      </div>
      <ol class="wf" style={{ '--step': at(step) }}>
        <li class="axis" aria-hidden="true">
          <span />
          <span class="track">
            {marks.map((ms) => (
              // Behind the end there is no room for it.
              <span key={ms} class={ms > total * 0.9 ? 'pre' : undefined} style={{ '--a': at(ms) }}>
                {axisText(ms, step)}
              </span>
            ))}
          </span>
          <span />
        </li>
        {lines.map(({ key, name, from, to, look, detail, sub, took }) => {
          const late = to > total * 0.6
          return (
            <li key={key}>
              <span class={sub ? 'nw sub' : 'nw'}>{name}</span>
              <span class="track">
                <i class={look} style={{ '--a': at(from), '--w': at(Math.max(0, to - from)) }} />
                {detail && (
                  <b class={late ? 'pre' : undefined} style={{ '--a': at(late ? from : to) }}>
                    {gatewayText(detail)}
                  </b>
                )}
              </span>
              <span class="n">{took}</span>
            </li>
          )
        })}
      </ol>
    </>
  )
}

function Legend({ look, color, text }: { look?: string; color: string; text: string }) {
  return (
    <span>
      <i class={look} style={{ '--c': `var(${color})` }} />
      {text}
    </span>
  )
}

/** Steps in their order; those of an attempt stand under it. */
function linesOf({ timeline, attempts }: RequestDetail): Line[] {
  const lines: Line[] = []
  const ofAttempt = (n: number) =>
    timeline.filter((step) => step.attempt === n && step.kind !== 'queue' && step.kind !== 'backoff')
  const heads = [
    ...timeline.filter(
      (step) => !attempts.some(({ n }) => n === step.attempt) || step.kind === 'queue' || step.kind === 'backoff',
    ),
    ...attempts,
  ].sort((a, b) => startOf(a) - startOf(b))
  for (const [n, head] of heads.entries()) {
    if ('kind' in head) lines.push(stepLine(head, `s${n}`, false))
    else {
      const inner = ofAttempt(head.n)
      const end = head.ended_ms ?? Math.max(head.started_ms, ...inner.map(({ to_ms }) => to_ms))
      lines.push({
        key: `a${head.n}`,
        name: `${t('attempt', head.n)} · ${head.upstream}`,
        from: head.started_ms,
        to: end,
        look: head.error ? 'e' : 'o',
        detail: head.error && `${head.status ?? ''} ${head.error.code}`.trim(),
        sub: false,
        took: span(end - head.started_ms),
      })
      // The attempt above them has named its upstream.
      const named = (step: Step) => (step.label === head.upstream ? { ...step, label: undefined } : step)
      lines.push(...inner.map((step, m) => stepLine(named(step), `a${head.n}-${m}`, true)))
    }
  }
  return lines
}

const startOf = (head: Step | RequestDetail['attempts'][number]) => ('kind' in head ? head.from_ms : head.started_ms)

function stepLine(
  { kind, from_ms, to_ms, label, detail }: Omit<Step, 'label'> & { label?: string | undefined },
  key: string,
  sub: boolean,
): Line {
  const name = `${t(`step_${kind}`)}${label ? ` ${label}` : ''}`
  return { key, name, from: from_ms, to: to_ms, look: looks[kind], detail, sub, took: span(to_ms - from_ms) }
}

/** 1, 2 or 5 times a power of ten, in ms. */
function roundStep(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms))
  const digit = [1, 2, 5, 10].find((each) => each * power >= ms) ?? 10
  return digit * power
}

function axisText(ms: number, step: number): string {
  if (step >= 60_000) return `${ms / 60_000} m`
  // One unit for all marks: 0, 0.5, 1, 1.5 s.
  return step < 500 ? `${Number(ms.toFixed(1))} ms` : `${ms / 1000} s`
}
