import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Now } from '../../admin/schema/now.ts'
import type { RequestRow } from '../../admin/schema/requests.ts'
import { useResource } from '../api/resource.ts'
import { clockTime, whole } from '../format.ts'
import { t } from '../i18n.ts'
import { Spark } from '../parts/amounts.tsx'
import { Button, Segments } from '../parts/controls.tsx'
import { Icon } from '../parts/icon.tsx'
import { useShortcuts } from '../parts/shortcuts.tsx'
import { Empty, Failed, Placeholder } from '../parts/states.tsx'
import { ColumnChoice } from '../requests/columns.tsx'
import { filterNames, filterOf, isEmpty, searchOf, takeNamed, type View, views } from '../requests/filter.ts'
import * as list from '../requests/list.ts'
import { RequestRows } from '../requests/rows.tsx'
import { href, navigate, query, root, setQuery } from '../router.ts'

/** The list of requests, to find those that were slow, failed or expensive. */
export function RequestsScreen() {
  const filter = filterOf(query.value)
  const key = JSON.stringify(filter)
  useEffect(() => list.show(filter), [key])
  useScrolledDown()
  const slow = useIsSlow()

  const { data } = useResource<Now>('now', 30_000)
  const hour = data.value?.last_hour

  const under = list.underWay.value
  const ended = list.ended.value
  const count = under.length + ended.length
  const find = useRef<HTMLInputElement>(null)
  useListKeys(find)

  const failed = list.error.value
  const waitsForFirst = list.reading.value === 'first'
  return (
    <main id="main" class="wide">
      <h1 class="sr">{t('requests')}</h1>
      <search class="tools">
        <FilterField field={find} />
        <Segments
          label={t('view')}
          value={filter.view}
          choices={views.map((value) => ({ value, label: <ViewName view={value} hour={hour} /> }))}
          onChoose={(view: View) => setQuery({ view: view === 'all' ? undefined : view })}
        />
        <Button
          icon={list.pausedAt.value === undefined ? 'pause' : 'play'}
          pressed={list.pausedAt.value !== undefined}
          onClick={list.togglePause}
        >
          {t(list.pausedAt.value === undefined ? 'pause' : 'resume')}
        </Button>
        <ColumnChoice />
        <a
          class="btn sq"
          href={`${root}admin/api/requests?${searchOf(filter, Date.now())}&format=csv`}
          download="zai2api-requests.csv"
          aria-label={t('asCsv')}
          title={t('asCsv')}
        >
          <Icon name="down" />
        </a>
        <PauseLine />
      </search>
      {isEmpty(filter) && <LastHour hour={hour} at={data.value?.at ?? 0} />}
      {failed ? (
        <Failed what={t('theList')} error={failed} again={list.reload} />
      ) : count > 0 ? (
        <>
          <RequestRows
            underWay={under}
            ended={ended}
            selected={list.selected.value}
            onOpen={open}
            onEnd={list.readMore}
          />
          <p class="dim small end-line">{list.complete.value ? t('allShown', count) : t('moreBelow', count)}</p>
        </>
      ) : waitsForFirst ? (
        slow && <Placeholder rows={12} />
      ) : (
        <Nothing filtered={!isEmpty(filter)} />
      )}
    </main>
  )
}

/** Rows that come while the reader is further down wait until the top is in sight again. */
function useScrolledDown(): void {
  useEffect(() => {
    const look = () => {
      const down = scrollY > 120
      if (down === list.scrolledDown.peek()) return
      list.scrolledDown.value = down
      if (!down && list.pausedAt.peek() === undefined) list.takePending()
    }
    look()
    addEventListener('scroll', look, { passive: true })
    return () => {
      removeEventListener('scroll', look)
      list.scrolledDown.value = false
    }
  }, [])
}

/** Whether the first rows have been awaited for long enough to say so. */
function useIsSlow(): boolean {
  const slow = useSignal(false)
  useEffect(() => {
    if (list.reading.value !== 'first') {
      slow.value = false
      return
    }
    const timer = setTimeout(() => (slow.value = true), 300)
    return () => clearTimeout(timer)
  })
  return slow.value
}

/** The keys that move in the list, open a row and find. */
function useListKeys(find: { current: HTMLInputElement | null }): void {
  const rows = () => [...list.underWay.value, ...list.ended.value]
  const move = (step: number) => {
    const all = rows()
    const at = all.findIndex(({ id }) => id === list.selected.peek())
    const next = all[at === -1 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))]
    if (!next) return
    list.selected.value = next.id
    requestAnimationFrame(() => document.getElementById(`row-${next.id}`)?.scrollIntoView({ block: 'nearest' }))
  }
  useShortcuts({
    '/': () => find.current?.focus(),
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    ' ': list.togglePause,
    Enter: () => {
      const id = list.selected.peek()
      const row = rows().find((each) => each.id === id)
      if (row) open(row)
    },
    y: () => void navigator.clipboard?.writeText(list.selected.peek() ?? ''),
  })
}

function open(row: RequestRow): void {
  list.selected.value = row.id
  navigate(`requests/${encodeURIComponent(row.id)}`)
}

function FilterField({ field }: { field: { current: HTMLInputElement | null } }) {
  const { words, named } = filterOf(query.value)
  const typed = useSignal(words)
  const timer = useRef(0)
  const apply = (text: string) => {
    clearTimeout(timer.current)
    const { rest, found } = takeNamed(text)
    if (Object.keys(found).length > 0) typed.value = rest
    setQuery({ ...found, q: rest.trim() || undefined })
  }
  return (
    <label class="in find">
      <Icon name="find" />
      <span class="sr">{t('filterHint')}</span>
      {filterNames.map(
        (name) =>
          named[name] && (
            <span key={name} class="chip">
              <i>{name}</i> {named[name]}
              <button
                type="button"
                class="btn bare tiny"
                aria-label={t('remove', name)}
                onClick={() => setQuery({ [name]: undefined })}
              >
                <Icon name="x" />
              </button>
            </span>
          ),
      )}
      <input
        ref={field}
        value={typed.value}
        placeholder={t('filterHint')}
        spellcheck={false}
        onInput={(event) => {
          const text = event.currentTarget.value
          typed.value = text
          clearTimeout(timer.current)
          // The list is filtered once the reader pauses, not for each letter.
          if (text.endsWith(' ')) apply(text)
          else timer.current = window.setTimeout(() => setQuery({ q: text.trim() || undefined }), 250)
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') apply(typed.value)
          const last = [...filterNames].reverse().find((name) => named[name])
          if (event.key === 'Backspace' && typed.value === '' && last) setQuery({ [last]: undefined })
        }}
      />
      <kbd class="not-phone">/</kbd>
    </label>
  )
}

function PauseLine() {
  const count = list.pendingCount.value
  const at = list.pausedAt.value
  if (at !== undefined)
    return (
      <span class="two" role="status">
        {t('pausedAt', clockTime(at))} {count > 0 && <b class="b">{t('newCount', count)}</b>}
      </span>
    )
  if (!list.scrolledDown.value || count === 0) return null
  return (
    <Button icon="up" look="s" onClick={() => scrollTo(0, 0)}>
      {t('newCount', count)}
    </Button>
  )
}

type Hour = Now['last_hour']

/** With the number of requests of the last hour. */
function ViewName({ view, hour }: { view: View; hour: Hour | undefined }) {
  const count = view === 'all' ? 0 : (hour?.[view] ?? 0)
  return (
    <>
      {t(view)}
      {count > 0 && (
        <span class="dim not-phone" title={t('inLastHour')}>
          {whole(count)}
        </span>
      )}
    </>
  )
}

function LastHour({ hour, at }: { hour: Hour | undefined; at: number }) {
  return (
    <div class="hour">
      {hour && hour.requests > 0 && (
        <>
          <Spark
            values={hour.per_minute}
            errors={hour.errors_per_minute}
            height={25}
            label={t('perMinuteOfHour', hour.requests, hour.errors)}
          />
          <div class="ticks" aria-hidden="true">
            {[60, 45, 30, 15, 0].map((minutes) => (
              <span key={minutes}>{clockTime(at - minutes * 60_000, false)}</span>
            ))}
          </div>
        </>
      )}
    </div>
  )
}

function Nothing({ filtered }: { filtered: boolean }) {
  if (!filtered)
    return (
      <Empty title={t('noRequests')}>
        {t('noRequestsNext')}{' '}
        <a class="link" href={href('try')}>
          {t('sendOne')}
        </a>
      </Empty>
    )
  const clear = Object.fromEntries([...filterNames, 'q', 'view'].map((name) => [name, undefined]))
  return (
    <Empty title={t('nothingMatches')}>
      <button type="button" class="link plain" onClick={() => setQuery(clear)}>
        {t('clearFilter')}
      </button>
    </Empty>
  )
}
