import { computed, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { RequestRow } from '../../admin/schema/requests.ts'
import { now } from '../api/live.ts'
import { clockTime, creditsOf, day, dollars, percent, seconds, secondsLong, whole } from '../format.ts'
import { gatewayText, t } from '../i18n.ts'
import { hasFailed, markOf, shortModel, speed, stateWord, totalMs, Who } from '../parts/request-words.tsx'
import { Dim, Status, Unit } from '../parts/status.tsx'
import { href } from '../router.ts'
import { hidingClasses } from './columns.tsx'

interface RowsProps {
  /** On top. */
  underWay: readonly RequestRow[]
  ended: readonly RequestRow[]
  selected: string | undefined
  onOpen: (row: RequestRow) => void
  /** Called when the user scrolls near the end. */
  onEnd: () => void
}

/** Rows beyond the window, above and below, so that a fast scroll shows no hole. */
const margin = 16

/**
 * A virtual list of any length: only the rows in the window are in the document, with spacers for those above and
 * below. It is one tab stop; the selected row is the active descendant.
 */
export function RequestRows({ underWay, ended, selected, onOpen, onEnd }: RowsProps) {
  const { body, from, height } = useWindow(onEnd)
  const fits = Math.ceil(innerHeight / height) + 2 * margin
  const count = underWay.length + ended.length
  const first = Math.min(from, Math.max(0, count - fits))
  const last = first + fits + 8
  // A list of 100,000 is not copied for each frame.
  const shown = [
    ...underWay.slice(first, last),
    ...ended.slice(Math.max(0, first - underWay.length), Math.max(0, last - underWay.length)),
  ]
  const below = count - first - shown.length
  const slowest = Math.max(1, ...shown.map(totalMs))
  return (
    <table
      class={`t reqs ${hidingClasses()}`}
      // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a grid is a table whose rows are chosen
      role="grid"
      aria-label={t('requests')}
      aria-rowcount={count + 1}
      aria-activedescendant={selected && `row-${selected}`}
      tabIndex={0}
    >
      <Head />
      <tbody ref={body}>
        <Spacer key="above" height={first * height} />
        {shown.map((row, n) => (
          <Row
            key={row.id}
            row={row}
            index={first + n}
            run={first + n < underWay.length}
            selected={row.id === selected}
            slowest={slowest}
            onOpen={onOpen}
          />
        ))}
        <Spacer key="below" height={below * height} />
      </tbody>
    </table>
  )
}

/** Where the window is in the list: the first row in steps, with the margin, and the height of a row in pixels. */
function useWindow(onEnd: () => void) {
  const body = useRef<HTMLTableSectionElement>(null)
  const from = useSignal(0)
  const height = useSignal(32)
  const latest = useRef(onEnd)
  latest.current = onEnd

  useEffect(() => {
    const measure = () => {
      const measured = body.current?.querySelector('tr[id]')?.getBoundingClientRect().height
      if (measured) height.value = measured
    }
    const look = () => {
      const top = body.current?.getBoundingClientRect().top ?? 0
      const first = Math.max(0, Math.floor(-top / height.peek()) - margin)
      // In steps, so that most scrolls draw nothing anew.
      from.value = first - (first % 8)
      if (document.documentElement.scrollHeight - scrollY - innerHeight < 2 * innerHeight) latest.current()
    }
    const resized = () => {
      measure()
      look()
    }
    resized()
    addEventListener('scroll', look, { passive: true })
    addEventListener('resize', resized)
    return () => {
      removeEventListener('scroll', look)
      removeEventListener('resize', resized)
    }
  }, [from, height])
  return { body, from: from.value, height: height.value }
}

function Head() {
  return (
    <thead>
      <tr aria-rowindex={1}>
        <th class="c-time">{t('time')}</th>
        <th class="c-who">{t('client')}</th>
        <th class="w2 c-key">{t('key')}</th>
        <th class="w2 c-api">API</th>
        <th class="c-model">{t('modelAsked')}</th>
        <th class="mid c-up">{t('upstream')}</th>
        <th class="c-status">{t('status')}</th>
        <th class="n lo c-s">{t('wait')}</th>
        <th class="n lo c-s">{t('firstShort')}</th>
        <th class="n c-s">{t('total')}</th>
        <th class="mid c-bar">
          <span class="sr">{t('timing')}</span>
        </th>
        <th class="n w2 c-speed">{t('tokensPerSecond')}</th>
        <th class="n c-in">{t('inShort')}</th>
        <th class="n lo c-cached">{t('cached')}</th>
        <th class="n c-out">{t('outShort')}</th>
        <th class="n w2 c-in">{t('thought')}</th>
        <th class="n mid c-cost">{t('cost')}</th>
        <th>{t('notes')}</th>
      </tr>
    </thead>
  )
}

/** Room for rows that are not in the document. A property of the body instead would have every cell styled anew. */
function Spacer({ height }: { height: number }) {
  // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in it takes the focus
  return <tr class="room" aria-hidden="true" style={{ height: `${height}px` }} />
}

interface RowProps {
  row: RequestRow
  index: number
  run: boolean
  selected: boolean
  slowest: number
  onOpen: (row: RequestRow) => void
}

function Row({ row, index, run, selected, slowest, onOpen }: RowProps) {
  const total = totalMs(row)
  const { input, cached, output, reasoning, notes, place, tool } = row
  const model = row.model ?? row.asked ?? ''
  const remarks = [
    row.state === 'waiting' && place ? t('placeOf', place.n, place.of) : '',
    row.state === 'tool' ? (tool ?? '') : '',
    ...notes.map(gatewayText),
  ].filter(Boolean)
  const failure = row.error && gatewayText(row.error.message)
  const said = remarks.join(' · ') || (hasFailed(row) ? (failure ?? '') : '')
  return (
    <tr
      id={`row-${row.id}`}
      class={run ? 'run' : undefined}
      aria-rowindex={index + 2}
      aria-selected={selected}
      onClick={() => {
        if (getSelection()?.isCollapsed !== false) onOpen(row)
      }}
    >
      <td class="p3">
        <a href={href(`requests/${encodeURIComponent(row.id)}`)} tabIndex={-1}>
          {isToday(row.at) ? clockTime(row.at) : `${day(row.at)} ${clockTime(row.at, false)}`}
        </a>
        <span class="only-phone"> · {model}</span>
      </td>
      <td class="p1" title={row.session}>
        <Who row={row} />
      </td>
      <td class="w2 two">{row.key.label}</td>
      <td class="w2 two">{shortDialect(row.dialect)}</td>
      <td class="not-phone" title={row.asked}>
        {model}
        {row.asked && row.model && !sameName(row.asked, row.model) && <Dim> ← {shortModel(row.asked)}</Dim>}
      </td>
      <td class="mid two">{row.upstream}</td>
      <td class="p2" title={failure}>
        <Status mark={markOf(row)}>{stateWord(row)}</Status>
      </td>
      <td class="n lo">{row.wait_ms !== undefined && row.wait_ms >= 5 ? seconds(row.wait_ms) : ''}</td>
      <td class="n lo">{row.first_ms === undefined ? '' : seconds(row.first_ms)}</td>
      <td class="n b">{seconds(total)}</td>
      <td class="mid">
        <TimeBar row={row} total={total} slowest={slowest} />
      </td>
      <td class="n w2">{speed(row)}</td>
      <td class="n">{input === undefined ? '' : whole(input)}</td>
      <td class="n lo">
        {input !== undefined && cached !== undefined && (
          <>
            {percent(cached, input)}
            <Unit>%</Unit>
          </>
        )}
      </td>
      <td class="n">{output === undefined ? '' : whole(output)}</td>
      <td class="n w2">{reasoning ? whole(reasoning) : ''}</td>
      <td class="n mid">
        <Cost row={row} />
      </td>
      <td class="p4 only-phone">
        {output === undefined ? '' : `${whole(output)} tok · `}
        {secondsLong(total)}
      </td>
      <td class="dim" title={said}>
        {said}
      </td>
    </tr>
  )
}

const midnight = computed(() => new Date(now.value).setHours(0, 0, 0, 0))
const isToday = (at: number): boolean => at >= midnight.value

/** Clients write names of models in small letters. */
const sameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

const shortDialect = (dialect: string | undefined): string => dialect?.replace(/^(openai|anthropic|google)-/, '') ?? ''

export function Cost({ row: { credits, usd } }: { row: Pick<RequestRow, 'credits' | 'usd'> }) {
  if (credits !== undefined)
    return (
      <>
        {creditsOf(credits)}
        <Unit>{t('cr')}</Unit>
      </>
    )
  if (usd === undefined) return null
  return (
    <>
      <Unit>$</Unit>
      {dollars(usd)}
      <span class="u ghost" aria-hidden="true">
        {t('cr')}
      </span>
    </>
  )
}

/** By the square root, so that 300 ms stays visible beside 90 s. */
function TimeBar({ row, total, slowest }: { row: RequestRow; total: number; slowest: number }) {
  const whole = 100 * Math.sqrt(total / slowest)
  const wait = Math.min(total, row.wait_ms ?? 0)
  const first = Math.min(total, Math.max(wait, row.first_ms ?? total))
  const parts: [string, number][] = hasFailed(row)
    ? [['e', total]]
    : [
        ['q', row.state === 'waiting' ? total : wait],
        ['f', row.state === 'waiting' ? 0 : first - wait],
        ['w', total - first],
      ]
  return (
    <span class="tm" aria-hidden="true">
      {parts.map(
        ([kind, ms]) =>
          ms > 0 && (
            <i
              key={kind}
              class={kind}
              style={{ '--w': `${Math.max(1.5, (whole * ms) / Math.max(1, total)).toFixed(1)}%` }}
            />
          ),
      )}
    </span>
  )
}
