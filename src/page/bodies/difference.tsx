import { useMemo } from 'preact/hooks'
import type { BodyName, CapturedBody, RequestDetail } from '../../admin/schema/requests.ts'
import { useResource } from '../api/resource.ts'
import { gatewayText, t } from '../i18n.ts'
import { Button, Pick } from '../parts/controls.tsx'
import { Empty } from '../parts/states.tsx'
import { setQuery } from '../router.ts'
import { bodyNames, pathOf, titles } from './body-names.ts'
import { type DiffLine, diffLines } from './diff-lines.ts'
import { conversationOf, parseBody } from './read.ts'

/** Two bodies of a request side by side, line by line. */
export function Difference({ request, from, to }: { request: RequestDetail; from: BodyName; to: BodyName }) {
  const left = useResource<CapturedBody>(pathOf(request.id, from))
  const right = useResource<CapturedBody>(pathOf(request.id, to))
  const a = left.data.value
  const b = right.data.value
  const lines = useMemo(() => (a && b ? diffLines(linesFor(a), linesFor(b)) : undefined), [a, b])
  const choices = bodyNames.map((name, n) => ({ value: String(n + 1), label: `${n + 1} ${t(titles[name])}` }))
  const numbers = [bodyNames.indexOf(from) + 1, bodyNames.indexOf(to) + 1] as const
  const error = left.error.value ?? right.error.value
  const changed = lines?.filter(({ kind }) => kind !== 'same').length ?? 0
  return (
    <section class="pane" aria-label={t('difference')}>
      <div class="pane-bar">
        <Pick
          prefix={t('from')}
          value={String(numbers[0])}
          choices={choices}
          onChoose={(n) => setQuery({ compare: `${n}-${numbers[1]}` })}
        />
        <Pick
          prefix={t('to')}
          value={String(numbers[1])}
          choices={choices}
          onChoose={(n) => setQuery({ compare: `${numbers[0]}-${n}` })}
        />
        {lines && <span class="dim">{t('linesDiffer', changed, lines.length - changed)}</span>}
        <span class="end">
          <Button look="s" icon="x" onClick={() => setQuery({ compare: undefined })}>
            {t('close')}
          </Button>
        </span>
      </div>
      {error && <Empty title={t('notKept')}>{gatewayText(error.message)}</Empty>}
      {lines && (
        <DiffView lines={lines} left={`${numbers[0]} ${t(titles[from])}`} right={`${numbers[1]} ${t(titles[to])}`} />
      )}
    </section>
  )
}

/** The lines that are compared. Of a stream they are its messages, because its frames always differ. */
function linesFor(captured: CapturedBody): string[] {
  const body = parseBody(captured)
  const { json, events, text } = body
  if (json !== undefined) return JSON.stringify(json, null, 2).split('\n')
  if (!events) return text.split('\n')
  const lines = conversationOf(body)
  if (!lines) return events.map(({ data }) => (typeof data === 'string' ? data : JSON.stringify(data)))
  return lines.flatMap((line) => [`[${[line.who, line.name].filter(Boolean).join(' ')}]`, ...line.text.split('\n')])
}

/** Lines that are the same are folded beyond this many around a difference. */
const around = 3

function DiffView({ lines, left, right }: { lines: readonly DiffLine[]; left: string; right: string }) {
  const rows: { left?: DiffLine; right?: DiffLine; fold?: number }[] = []
  let removed: DiffLine[] = []
  let added: DiffLine[] = []
  const flush = () => {
    for (let n = 0; n < Math.max(removed.length, added.length); n++)
      rows.push({ ...(removed[n] && { left: removed[n] }), ...(added[n] && { right: added[n] }) })
    removed = []
    added = []
  }
  const changes = lines.flatMap(({ kind }, n) => (kind === 'same' ? [] : [n]))
  let next = 0
  let folded = 0
  lines.forEach((each, n) => {
    while ((changes[next] ?? Number.POSITIVE_INFINITY) < n) next++
    if (each.kind === 'del') removed.push(each)
    else if (each.kind === 'add') added.push(each)
    else {
      flush()
      const near =
        (changes[next] ?? Number.POSITIVE_INFINITY) - n <= around || n - (changes[next - 1] ?? -1e9) <= around
      if (near) {
        if (folded > 0) rows.push({ fold: folded })
        folded = 0
        rows.push({ left: each, right: each })
      } else folded++
    }
    if (each.kind !== 'same' && folded > 0) {
      rows.push({ fold: folded })
      folded = 0
    }
  })
  flush()
  if (folded > 0) rows.push({ fold: folded })
  return (
    <div class="diff">
      <span class="h">{left}</span>
      <span class="h">{right}</span>
      {rows.map((row, n) => {
        if (row.fold !== undefined)
          return (
            <span key={n} class="fold">
              {t('linesSame', row.fold)}
            </span>
          )
        return [
          <DiffCell key={`l${n}`} line={row.left} side="left" />,
          <DiffCell key={`r${n}`} line={row.right} side="right" />,
        ]
      })}
    </div>
  )
}

function DiffCell({ line, side }: { line: DiffLine | undefined; side: 'left' | 'right' }) {
  if (!line)
    return (
      <span class="gap">
        <i />
      </span>
    )
  const look = line.kind === 'same' ? (side === 'right' ? 'same' : undefined) : line.kind
  return (
    <span class={look}>
      <i>{line[side]}</i>
      <span>{line.text}</span>
    </span>
  )
}
