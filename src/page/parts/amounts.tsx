import { t } from '../i18n.ts'

export interface Portion {
  /** From 0 to 1. */
  share: number
  look?: string
  title?: string
}

/** A bar that is filled by portions, from the left. */
export function Meter({ label, portions }: { label?: string; portions: readonly Portion[] }) {
  const sum = portions.reduce((all, { share }) => all + share, 0)
  const now = Math.round(Math.min(1, sum) * 100)
  const meter = label
    ? ({ role: 'meter', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': now } as const)
    : {}
  return (
    <span class="bar" {...meter}>
      {portions.map(({ share, look, title }) => (
        <i key={look} class={look} title={title} style={{ '--w': `${(Math.min(1, share) * 100).toFixed(1)}%` }} />
      ))}
    </span>
  )
}

/** Calls at a time: busy ones of as many as there may be, and those that wait. */
export function Slots({ busy, of, waiting = 0 }: { busy: number; of?: number | undefined; waiting?: number }) {
  // With more boxes than this, the number alone is clearer.
  const most = 12
  if (of === undefined || of > most) return null
  const kinds = [
    ...Array.from({ length: of }, (_, n) => (n < busy ? 'on' : '')),
    ...Array(Math.min(waiting, 4)).fill('q'),
  ]
  return (
    <span class="slots" aria-hidden="true">
      {kinds.map((kind, n) => (
        <i key={n} class={kind} />
      ))}
    </span>
  )
}

export function busyText(busy: number, of: number | undefined): string {
  return of === undefined ? t('busy', busy) : t('busyOf', busy, of)
}

/** Bars of one height each, for the last hour. Errors in their own colour from below. */
export function Spark({ values, errors = [], height, label }: SparkProps) {
  const most = Math.max(1, ...values)
  const width = 100 / values.length
  return (
    <svg
      class="spark"
      style={{ '--h': `${height}px` }}
      viewBox={`0 0 100 ${height}`}
      preserveAspectRatio="none"
      role={label ? 'img' : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
    >
      {values.map((value, n) => {
        const tall = value > 0 ? Math.max(1, (value / most) * height) : 0
        const wrong = Math.min(tall, ((errors[n] ?? 0) / most) * height)
        const x = n * width
        return (
          <g key={n}>
            <rect class="s0" x={x} y={height - tall} width={width * 0.75} height={tall} />
            {wrong > 0 && (
              <rect class="sb" x={x} y={height - Math.max(2, wrong)} width={width * 0.75} height={Math.max(2, wrong)} />
            )}
          </g>
        )
      })}
    </svg>
  )
}

interface SparkProps {
  values: readonly number[]
  errors?: readonly number[]
  height: number
  label?: string
}
