import type { Now } from '../../admin/schema/now.ts'
import { now } from '../api/live.ts'
import { clockTime, moment } from '../format.ts'
import { t } from '../i18n.ts'

const hourMs = 3_600_000

/** The reader's day with the hours in which credits count in full, and where in it we are. */
export function PeakClock({ spans }: { spans: Now['peak_hours'] }) {
  const at = now.value
  const midnight = new Date(at).setHours(0, 0, 0, 0)
  const nextMidnight = new Date(midnight).setHours(24)
  const share = (instant: number) =>
    (Math.min(nextMidnight, Math.max(midnight, instant)) - midnight) / (nextMidnight - midnight)
  const today = spans.filter(({ from, to }) => from < nextMidnight && to > midnight)
  const current = spans.find(({ from, to }) => from <= at && at < to)
  const next = spans.find(({ from }) => from > at)
  // A label next to another would be printed over it.
  const edges = today.flatMap(({ from, to }) => [from, to]).filter((edge) => share(edge) > 0.1 && share(edge) < 0.9)
  const labels = [
    midnight,
    ...edges.filter((edge, n) => n === 0 || edge - (edges[n - 1] ?? 0) >= 2 * hourMs),
    nextMidnight,
  ]
  const sentence = current
    ? t('peakUntil', moment(current.to, at))
    : next
      ? t('offPeakUntil', moment(next.from, at))
      : t('offPeak')
  return (
    <div>
      <div class="day" role="img" aria-label={sentence}>
        {today.map(({ from, to }) => (
          <i
            key={from}
            class="pk-h"
            style={{
              '--a': `${(100 * share(from)).toFixed(2)}%`,
              '--w': `${(100 * (share(to) - share(from))).toFixed(2)}%`,
            }}
          />
        ))}
        <i class="at" style={{ '--v': share(at).toFixed(4) }} />
        {labels.map((edge) => (
          <span key={edge} style={{ '--v': share(edge).toFixed(4) }}>
            {edge === nextMidnight ? '24' : edge === midnight ? '0' : clockTime(edge, false).replace(/^0|:00$/g, '')}
          </span>
        ))}
      </div>
      <p class="two small">{sentence}</p>
    </div>
  )
}
