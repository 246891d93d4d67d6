import { useSignal } from '@preact/signals'
import { short, whole } from '../format.ts'
import { t } from '../i18n.ts'

export interface Series {
  name: string
  /** `s1` to `s4`: one hue by lightness; `sb` for errors. */
  look: string
}

export interface Slot {
  /** Shown under the axis, if there is room. */
  label: string
  /** Names the slot in the tooltip and in the table. */
  title: string
  /** One for each series, in their order, from the bottom up. */
  values: readonly number[]
  /** The slot has a tinted background. */
  shaded?: boolean
}

interface PlotProps {
  slots: readonly Slot[]
  series: readonly Series[]
  height: number
  /** What the plot shows, for screen readers. */
  label: string
  /** A dashed line. */
  cap?: number | undefined
  format?: (value: number) => string
  /** How many labels there may be under the axis. */
  labels?: number
}

/** Amounts in slots of time as stacked bars from zero. The slot under the pointer, or by arrow keys, tells its numbers. */
export function Plot({ slots, series, height, label, cap, format = short, labels = 8 }: PlotProps) {
  const shown = useSignal<number | undefined>(undefined)
  const largest = Math.max(...slots.map(({ values }) => sum(values)), cap ?? 0)
  const step = roundStep(largest / (height > 100 ? 4 : 2))
  const top = Math.max(step, Math.ceil(largest / step) * step)
  const lines = Array.from({ length: Math.round(top / step) + 1 }, (_, n) => n * step)
  const width = 100 / Math.max(1, slots.length)
  const y = (value: number) => height * (1 - value / top)
  const every = Math.ceil(slots.length / labels)
  const at = shown.value
  const slot = at === undefined ? undefined : slots[at]
  const move = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (event.key === 'Escape') shown.value = undefined
    if (by === undefined) return
    event.preventDefault()
    event.stopPropagation()
    shown.value = Math.min(slots.length - 1, Math.max(0, (at ?? (by > 0 ? -1 : slots.length)) + by))
  }
  return (
    <>
      <figure
        class="plot"
        style={{ '--h': `${height}px` }}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys read it slot by slot
        tabIndex={0}
        onKeyDown={move}
        onBlur={() => (shown.value = undefined)}
        onPointerLeave={() => (shown.value = undefined)}
        onPointerMove={(event) => {
          const box = event.currentTarget.querySelector('svg')?.getBoundingClientRect()
          if (!box) return
          const n = Math.floor(((event.clientX - box.left) / box.width) * slots.length)
          shown.value = n >= 0 && n < slots.length ? n : undefined
        }}
      >
        <svg viewBox={`0 0 100 ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
          {slots.map(
            ({ shaded, label: name }, n) =>
              shaded && <rect key={name + n} class="pk" x={n * width} y={0} width={width} height={height} />,
          )}
          {lines.map((value) => (
            <path
              key={value}
              class={value === 0 ? 'axis-l' : 'grid-l'}
              d={`M0 ${Math.max(0.5, y(value) - 0.5).toFixed(1)}H100`}
            />
          ))}
          {slots.map((each, n) => (
            <Bar key={n} slot={each} series={series} x={n * width} width={width} y={y} />
          ))}
          {cap !== undefined && <path class="cap" d={`M0 ${y(cap).toFixed(1)}H100`} />}
          {at !== undefined && <path class="cap" d={`M${((at + 0.5) * width).toFixed(2)} 0V${height}`} />}
        </svg>
        {lines.map((value) => (
          <span key={value} class="y" style={{ '--v': String(value / top) }}>
            {format(value)}
          </span>
        ))}
        {slots.map(
          ({ label: name }, n) =>
            n % every === Math.floor(every / 2) && (
              <span
                key={name + n}
                class={Math.floor(n / every) % 2 ? 'x not-phone' : 'x'}
                style={{ '--v': ((n + 0.5) / slots.length).toFixed(4) }}
              >
                {name}
              </span>
            ),
        )}
        {slot && at !== undefined && (
          <Tip slot={slot} series={series} format={format} place={(at + 0.5) / slots.length} />
        )}
      </figure>
      <SlotTable slots={slots} series={series} format={format} label={label} />
    </>
  )
}

interface BarProps {
  slot: Slot
  series: readonly Series[]
  x: number
  width: number
  /** Where an amount is, from the top down. */
  y: (value: number) => number
}

function Bar({ slot: { values }, series, x, width, y }: BarProps) {
  let below = 0
  return (
    <>
      {series.map(({ look }, m) => {
        const value = values[m] ?? 0
        if (value <= 0) return null
        below += value
        return (
          <rect
            key={m}
            class={look}
            x={(x + width * 0.14).toFixed(3)}
            y={y(below).toFixed(1)}
            width={(width * 0.72).toFixed(3)}
            height={Math.max(0.6, y(0) - y(value)).toFixed(1)}
          />
        )
      })}
    </>
  )
}

interface TipProps extends Pick<PlotProps, 'series'>, Required<Pick<PlotProps, 'format'>> {
  slot: Slot
  /** From 0 to 1. */
  place: number
}

/** The numbers of one slot, beside it. */
function Tip({ slot: { title, values }, series, format, place }: TipProps) {
  return (
    <figcaption class={place > 0.6 ? 'tip before' : 'tip'} style={{ '--v': place.toFixed(4) }}>
      <b class="b">{title}</b>
      <dl class="kv">
        {series.map(({ name }, m) => (
          <>
            <dt key={name}>{name}</dt>
            <dd class="n">{format(values[m] ?? 0)}</dd>
          </>
        ))}
      </dl>
    </figcaption>
  )
}

/** The same numbers to read and to copy. */
function SlotTable({
  slots,
  series,
  format,
  label,
}: Pick<PlotProps, 'slots' | 'series' | 'label'> & Required<Pick<PlotProps, 'format'>>) {
  const open = useSignal(false)
  // What is rounded under a bar is written out here.
  const exact = format === short ? whole : format
  return (
    <details class="data small" onToggle={(event) => (open.value = event.currentTarget.open)}>
      <summary>{t('asTable')}</summary>
      {open.value && (
        <table class="t keep" aria-label={label}>
          <thead>
            <tr>
              <th>{t('time')}</th>
              {series.map(({ name }) => (
                <th key={name} class="n">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {slots.map(
              ({ title, values }, n) =>
                sum(values) > 0 && (
                  <tr key={title + n}>
                    <td class="p1">{title}</td>
                    {series.map(({ name }, m) => (
                      <td key={name} class="n">
                        {exact(values[m] ?? 0)}
                      </td>
                    ))}
                  </tr>
                ),
            )}
          </tbody>
        </table>
      )}
    </details>
  )
}

export function LegendOf({ series }: { series: readonly Series[] }) {
  return (
    <>
      {series.map(({ name, look }) => (
        <span key={name}>
          <i style={{ '--c': `var(--${look === 'sb' ? 'bad-fill' : look})` }} />
          {name}
        </span>
      ))}
    </>
  )
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)

/** 1, 2, 2.5 or 5 times a power of ten. */
function roundStep(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  const digit = [1, 2, 2.5, 5, 10].find((each) => each * power >= value) ?? 10
  return Math.max(digit * power, digit * power < 1 ? 0.01 : 1)
}
