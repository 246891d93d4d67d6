import type { Usage, UsageSlot } from '../../admin/schema/usage.ts'
import { useResource } from '../api/resource.ts'
import { clockTime, creditsOf, day, dollars, moment, percent, short, whole } from '../format.ts'
import { t } from '../i18n.ts'
import { Segments } from '../parts/controls.tsx'
import { Icon } from '../parts/icon.tsx'
import { LegendOf, Plot, type Slot } from '../parts/plot.tsx'
import { Empty, Failed, Placeholder } from '../parts/states.tsx'
import { href, query, root, setQuery } from '../router.ts'
import { ByGroup, type Group, groups } from '../usage/by-group.tsx'
import { type Sums, sumsOf } from '../usage/sums.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const ranges = { '24h': dayMs, '7d': 7 * dayMs, '30d': 30 * dayMs } as const
type Range = keyof typeof ranges | 'custom'

/** The period shown: whole hours or days of UTC, as the gateway counts them. */
interface Shown {
  chosen: Range
  from: number
  end: number
  by: 'hour' | 'day'
}

/** Longer periods would have more bars than fit on a screen. */
const mostDays = 400

/** The days of `from` and `to` in the address, or up to now. */
function shownBy(search: URLSearchParams, now: number): Shown {
  const range = search.get('range')
  if (range === 'custom') {
    const to = dayOf(search.get('to')) ?? slotEnd(now, 'day') - dayMs
    const from = Math.max(dayOf(search.get('from')) ?? to - 6 * dayMs, to - mostDays * dayMs)
    return { chosen: range, from, end: to + dayMs, by: to - from <= dayMs ? 'hour' : 'day' }
  }
  const chosen = range === '7d' || range === '30d' ? range : '24h'
  const by = chosen === '24h' ? 'hour' : 'day'
  const end = slotEnd(now, by)
  return { chosen, from: end - ranges[chosen], end, by }
}

/** Where a day such as `2026-11-30` begins. */
function dayOf(text: string | null): number | undefined {
  const at = /^\d{4}-\d\d-\d\d$/.test(text ?? '') ? Date.parse(`${text}T00:00Z`) : Number.NaN
  return Number.isNaN(at) ? undefined : at
}

const dateOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

/** Usage and costs over time. */
export function UsageScreen() {
  const { chosen, from, end, by } = shownBy(query.value, Date.now())
  const isPossible = from < end
  const group = groups.find((each) => each === query.value.get('by')) ?? 'model'
  const spanMs = by === 'hour' ? hourMs : dayMs
  // With the period before it of the same length, to compare.
  const search = `from=${Math.max(0, from - (end - from))}&to=${end}&by=${by}&group=${group}`
  const { data, error, slow, reload } = useResource<Usage>(isPossible ? `usage?${search}` : undefined, 60_000)
  const csv = `${root}admin/api/usage?from=${from}&to=${end}&by=${by}&group=${group}&format=csv`
  const all = data.value?.slots
  return (
    <main id="main">
      <div class="head">
        <h1>{t('usage')}</h1>
        <div class="end">
          <Segments
            label={t('range')}
            value={chosen}
            choices={(['24h', '7d', '30d', 'custom'] as const).map((value) => ({ value, label: t(`range_${value}`) }))}
            onChoose={(next: Range) => setQuery(next === 'custom' ? days(from, end) : { ...noDays, range: next })}
          />
          {chosen === 'custom' && <Days from={from} end={end} />}
          <a class="btn" href={csv} download={`zai2api-usage-${chosen}.csv`}>
            <Icon name="down" />
            CSV
          </a>
        </div>
      </div>
      {!isPossible ? (
        <Empty title={t('noSuchTime')}>{t('noSuchTimeNext')}</Empty>
      ) : error.value ? (
        <Failed what={t('usage')} error={error.value} again={reload} />
      ) : all ? (
        <Filled
          slots={all.filter(({ at }) => at >= from)}
          before={all.filter(({ at }) => at < from)}
          starts={startsOf(from, end, spanMs)}
          by={by}
          group={group}
          peak={data.value?.peak_hours ?? []}
        />
      ) : (
        slow.value && <Placeholder />
      )}
    </main>
  )
}

const noDays = { from: undefined, to: undefined }

/** The address of a time of whole days. */
function days(from: number, end: number) {
  return { range: 'custom', from: dateOf(from), to: dateOf(end - 1) }
}

/** The first and the last day, both of them in UTC. */
function Days({ from, end }: { from: number; end: number }) {
  const field = (name: 'from' | 'to', value: number) => (
    <input
      type="date"
      class="in day-field"
      aria-label={t(name === 'from' ? 'firstDay' : 'lastDay')}
      title={`${t(name === 'from' ? 'firstDay' : 'lastDay')} (UTC)`}
      value={dateOf(value)}
      max={dateOf(Date.now())}
      onChange={({ currentTarget: { value: chosen } }) => chosen && setQuery({ range: 'custom', [name]: chosen })}
    />
  )
  return (
    <span class="tb">
      {field('from', from)}
      <span aria-hidden="true">–</span>
      {field('to', end - dayMs)}
    </span>
  )
}

/** Where the hour or the day (in UTC, as the gateway counts them) that is under way ends. */
function slotEnd(now: number, by: 'hour' | 'day'): number {
  const span = by === 'hour' ? hourMs : dayMs
  return (Math.floor(now / span) + 1) * span
}

function startsOf(from: number, end: number, spanMs: number): number[] {
  return Array.from({ length: Math.round((end - from) / spanMs) }, (_, n) => from + n * spanMs)
}

interface FilledProps {
  slots: readonly UsageSlot[]
  before: readonly UsageSlot[]
  starts: readonly number[]
  by: 'hour' | 'day'
  group: Group
  peak: Usage['peak_hours']
}

function Filled({ slots, before, starts, by, group, peak }: FilledProps) {
  const sums = sumsOf(slots)
  if (sums.requests === 0)
    return (
      <Empty title={t('noUsage')}>
        {t('noUsageNext')}{' '}
        <a class="link" href={href('try')}>
          {t('sendOne')}
        </a>
      </Empty>
    )
  const earlier = sumsOf(before)
  const at = new Map<number, UsageSlot[]>()
  for (const slot of slots) at.set(slot.at, [...(at.get(slot.at) ?? []), slot])
  const plotOf = (values: (sums: Sums) => number[]): Slot[] =>
    starts.map((start) => ({
      label: by === 'hour' ? clockTime(start, false) : day(start),
      title: by === 'hour' ? moment(start, Date.now()) : day(start),
      values: values(sumsOf(at.get(start) ?? [])),
      shaded: sums.credits !== undefined && peak.some(({ from, to }) => from <= start && start < to),
    }))
  const series = [
    { name: t('cached'), look: 's1' },
    { name: t('input'), look: 's2' },
    { name: t('thinkingWord'), look: 's3' },
    { name: t('answer'), look: 's4' },
  ]
  return (
    <>
      <Figures sums={sums} earlier={earlier} />
      <div class="sec">
        <h2>{t(by === 'hour' ? 'tokensByHour' : 'tokensByDay')}</h2>
        <span class="end legend">
          <LegendOf series={series} />
          {by === 'hour' && sums.credits !== undefined && (
            <span>
              <i class="peak-mark" />
              {t('peakPrice')}
            </span>
          )}
        </span>
      </div>
      <Plot
        slots={plotOf(({ input, cached, output, reasoning }) => [
          cached,
          input - cached,
          reasoning,
          output - reasoning,
        ])}
        series={series}
        height={200}
        label={t('tokensPlot')}
      />
      <CostAndErrors sums={sums} plotOf={plotOf} />
      <ByGroup slots={slots} group={group} />
    </>
  )
}

/** What the time has used in all, and how that has changed. */
function Figures({ sums, earlier }: { sums: Sums; earlier: Sums }) {
  return (
    <dl class="figs">
      {sums.credits !== undefined && (
        <Figure name={t('credits')} value={creditsOf(sums.credits)} now={sums.credits} before={earlier.credits} />
      )}
      {sums.usd !== undefined && (
        <Figure name={t('money')} value={`$${dollars(sums.usd)}`} now={sums.usd} before={earlier.usd} />
      )}
      <Figure
        name={t('input')}
        value={short(sums.input)}
        aside={t('percentCached', percent(sums.cached, sums.input))}
      />
      <Figure
        name={t('output')}
        value={short(sums.output)}
        aside={sums.reasoning > 0 ? t('percentThinking', percent(sums.reasoning, sums.output)) : ''}
      />
      <Figure name={t('requests')} value={whole(sums.requests)} now={sums.requests} before={earlier.requests} />
      <Figure name={t('errors')} value={whole(sums.errors)} aside={`${percent(sums.errors, sums.requests)} %`} />
    </dl>
  )
}

function CostAndErrors({ sums, plotOf }: { sums: Sums; plotOf: (values: (sums: Sums) => number[]) => Slot[] }) {
  return (
    <div class="half">
      {(sums.credits ?? sums.usd) !== undefined && (
        <div>
          <div class="sec">
            <h2>{sums.credits === undefined ? t('money') : t('credits')}</h2>
          </div>
          <Plot
            slots={plotOf(({ credits, usd }) => [(sums.credits === undefined ? usd : credits) ?? 0])}
            series={[{ name: sums.credits === undefined ? t('money') : t('credits'), look: 's3' }]}
            height={72}
            labels={5}
            format={sums.credits === undefined ? (usd) => `$${dollars(usd)}` : short}
            label={t('costPlot')}
          />
        </div>
      )}
      <div>
        <div class="sec">
          <h2>{t('errors')}</h2>
          <span class="end">{t('thatReachedClients')}</span>
        </div>
        <Plot
          slots={plotOf(({ errors }) => [errors])}
          series={[{ name: t('errors'), look: 'sb' }]}
          height={72}
          labels={5}
          format={whole}
          label={t('errorsPlot')}
        />
      </div>
    </div>
  )
}

interface FigureProps {
  name: string
  value: string
  aside?: string
  now?: number
  before?: number | undefined
}

function Figure({ name, value, aside, now, before }: FigureProps) {
  const change = now !== undefined && before ? Math.round((100 * (now - before)) / before) : undefined
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value}
        {aside && <small>{aside}</small>}
        {change !== undefined && Math.abs(change) < 1000 && (
          <small title={t('againstBefore')}>{`${change < 0 ? '−' : '+'}${Math.abs(change)} %`}</small>
        )}
      </dd>
    </div>
  )
}
