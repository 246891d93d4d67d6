import type { UpstreamChange } from '../../admin/schema/upstreams.ts'
import { now } from '../api/live.ts'
import { t } from '../i18n.ts'

const hourMs = 3_600_000
const width = 120
const height = 20

interface ConcurrencyLineProps {
  /** Changes of one credential with one model, oldest first. */
  changes: readonly UpstreamChange[]
  /** The current limit. */
  learned: number | undefined
}

/**
 * The number of calls at a time that the upstream was known to take, over the last hour. It is learned from refusals, so
 * nothing is drawn before the first one.
 */
export function ConcurrencyLine({ changes, learned }: ConcurrencyLineProps) {
  if (learned === undefined) return null
  const from = now.value - hourMs
  const known = changes.flatMap(({ at, limit }) => (limit === undefined ? [] : [{ at, limit }]))
  const before = known.findLast(({ at }) => at <= from)
  const within = known.filter(({ at }) => at > from)
  const steps = [...(before || within.length === 0 ? [{ at: from, limit: before?.limit ?? learned }] : []), ...within]
  const most = Math.max(2, ...steps.map(({ limit }) => limit))
  const x = (at: number) => ((width * (at - from)) / hourMs).toFixed(1)
  const y = (limit: number) => (height * (1 - limit / most)).toFixed(1)
  const path = steps.map(({ at, limit }, n) => (n === 0 ? `M${x(at)} ${y(limit)}` : `H${x(at)}V${y(limit)}`)).join('')
  return (
    <svg
      width={width}
      height={height + 2}
      viewBox={`0 -1 ${width} ${height + 2}`}
      role="img"
      aria-label={t('widthOverHour', steps.map(({ limit }) => limit).join(', '))}
    >
      <path class="line" d={`${path}H${width}`} />
    </svg>
  )
}
