import { useComputed } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import type { Face, FaceName, RequestDetail } from '../../admin/schema/requests.ts'
import { useResource } from '../api/resource.ts'
import { bytes, seconds, secondsLong, whole } from '../format.ts'
import { type TextName, t } from '../i18n.ts'
import { Button, CopyButton, Pick, Segments } from '../parts/controls.tsx'
import { useShortcuts } from '../parts/shortcuts.tsx'
import { Empty, Failed, Placeholder } from '../parts/states.tsx'
import { Paragraphs, Reasoning, Said, ToolCall } from '../parts/talk.tsx'
import { href, query, setQuery } from '../router.ts'
import { type DiffLine, diffLines } from './diff.ts'
import { type Body, bodyOf, conversationOf, type Line } from './read.ts'
import { Tree } from './tree.tsx'

const faceNames = ['client-request', 'upstream-request', 'upstream-reply', 'client-reply'] as const satisfies FaceName[]

const titles: Record<FaceName, TextName> = {
  'client-request': 'clientAsked',
  'upstream-request': 'weSent',
  'upstream-reply': 'upstreamAnswered',
  'client-reply': 'clientGot',
}

type View = 'conversation' | 'tree' | 'raw'
const views: readonly View[] = ['conversation', 'tree', 'raw']

const pathOf = (id: string, face: FaceName) => `requests/${encodeURIComponent(id)}/faces/${face}`

/** The same exchange seen at the four edges. */
export function Faces({ request }: { request: RequestDetail }) {
  const { faces } = request
  const chosen = faceNames[Number(query.value.get('face')) - 1] ?? 'client-reply'
  const view = views.find((each) => each === query.value.get('view')) ?? 'conversation'
  const [from, to] = (query.value.get('compare') ?? '').split('-').map((n) => faceNames[Number(n) - 1])
  const compare = () =>
    setQuery({ compare: from ? undefined : chosen === 'client-request' ? '1-2' : `1-${faceNames.indexOf(chosen) + 1}` })
  const choose = (n: number) => setQuery({ face: String(n), compare: undefined, replay: undefined })
  useShortcuts({
    ...{ '1': () => choose(1), '2': () => choose(2), '3': () => choose(3), '4': () => choose(4) },
    ...{
      c: () => setQuery({ view: undefined }),
      e: () => setQuery({ view: 'tree' }),
      w: () => setQuery({ view: 'raw' }),
    },
    d: compare,
  })
  if ('not_captured' in faces)
    return (
      <>
        <div class="sec" id="faces">
          <h2>{t('fourFaces')}</h2>
        </div>
        <Empty title={t('onlyNumbersKept')}>
          {faces.not_captured}{' '}
          <a class="link" href={href('system')}>
            {t('whatIsKept')}
          </a>
        </Empty>
      </>
    )
  return (
    <>
      <div class="sec" id="faces">
        <h2>{t('fourFaces')}</h2>
        <span class="end">{t('secretsRemoved')}</span>
      </div>
      <nav class="faces" aria-label={t('fourFaces')}>
        {faceNames.map((name, n) => {
          const size = faces[name]
          const current = from ? name === from || name === to : name === chosen
          return (
            <a
              key={name}
              href={`${location.pathname}?face=${n + 1}`}
              aria-current={current ? 'true' : undefined}
              onClick={(event) => {
                event.preventDefault()
                choose(n + 1)
              }}
            >
              <b>
                {n + 1} {t(titles[name])}
              </b>
              <span class="small">
                {size
                  ? `${t('chunks', size.chunks)} · ${bytes(size.bytes)}${size.truncated ? ` · ${t('cut')}` : ''}`
                  : t('notKept')}
              </span>
            </a>
          )
        })}
      </nav>
      {from && to ? (
        <Difference request={request} from={from} to={to} />
      ) : (
        <section class="pane" aria-label={t(titles[chosen])}>
          <OneFace key={chosen} request={request} name={chosen} view={view} compare={compare} />
        </section>
      )}
    </>
  )
}

interface OneFaceProps {
  request: RequestDetail
  name: FaceName
  view: View
  compare: () => void
}

function OneFace({ request, name, view, compare }: OneFaceProps) {
  const { data, error, slow, reload } = useResource<Face>(pathOf(request.id, name))
  const body = useComputed(() => data.value && bodyOf(data.value))
  const copied = body.value?.json ? JSON.stringify(body.value.json, null, 2) : (body.value?.text ?? '')
  return (
    <>
      <div class="pane-bar">
        <Segments
          label={t('view')}
          look="s"
          value={view}
          choices={[
            { value: 'conversation', label: t('conversation') },
            { value: 'tree', label: t('tree') },
            { value: 'raw', label: t('raw') },
          ]}
          onChoose={(next: View) => setQuery({ view: next === 'conversation' ? undefined : next })}
        />
        <span class="end">
          <Button look="s" onClick={compare}>
            {t('compareWith')}
          </Button>
          <CopyButton look="s" text={copied}>
            {t('copy')}
          </CopyButton>
        </span>
      </div>
      {error.value ? (
        error.value.status === 404 ? (
          <Empty title={t('notKept')}>{error.value.message}</Empty>
        ) : (
          <Failed what={t(titles[name])} error={error.value} again={reload} />
        )
      ) : data.value && body.value ? (
        <FaceView request={request} name={name} face={data.value} body={body.value} view={view} />
      ) : (
        slow.value && <Placeholder rows={4} />
      )}
    </>
  )
}

interface FaceViewProps {
  request: RequestDetail
  name: FaceName
  face: Face
  body: Body
  view: View
}

function FaceView({ request, name, face, body, view }: FaceViewProps) {
  if (view === 'raw') return <Raw face={face} />
  if (view === 'tree')
    return (
      <div class="tree">
        <Start face={face} />
        {body.json !== undefined ? (
          <Tree name="body" value={body.json} />
        ) : body.events ? (
          <Tree name="events" value={body.events.map(({ data }) => data)} />
        ) : (
          <div class="pre">{body.text}</div>
        )}
      </div>
    )
  const lines = conversationOf(body)
  if (!lines) return <Raw face={face} />
  const difference = name === 'client-request' ? request.first_difference : undefined
  return <Conversation lines={lines} difference={difference} />
}

function Start({ face: { method, url, status } }: { face: Face }) {
  const line = method ? `${method} ${url ?? ''}` : status === undefined ? '' : `HTTP ${status}`
  return line ? <div class="c">{line}</div> : null
}

/** Chunks of a raw view; the rest is in what is copied. */
const mostChunks = 3_000

function Raw({ face }: { face: Face }) {
  const { headers, chunks } = face
  return (
    <div class="code">
      <pre>
        <span class="c">
          <Start face={face} />
          {headers.map(([header, value]) => `${header}: ${value}\n`)}
          {'\n'}
        </span>
        {chunks.slice(0, mostChunks).map((chunk, n) => (
          <span key={n}>
            {chunks.length > 1 && <span class="c at">{seconds(chunk.at_ms)} </span>}
            {chunk.text}
            {chunks.length > 1 && !chunk.text.endsWith('\n') && '\n'}
          </span>
        ))}
        {chunks.length > mostChunks && <span class="c">{t('moreChunks', chunks.length - mostChunks)}</span>}
      </pre>
    </div>
  )
}

/** Messages in front of the newest that are shown at once. */
const lastMessages = 12

interface ConversationProps {
  lines: readonly Line[]
  difference?: RequestDetail['first_difference']
}

function Conversation({ lines, difference }: ConversationProps) {
  const all = query.value.get('all') !== null
  const newest = lines.findLast(({ index }) => index !== undefined)?.index ?? 0
  const hiddenTo = all ? 0 : Math.min(newest - lastMessages, (difference?.index ?? newest) - 1)
  const shown = lines.filter(({ index }) => index === undefined || index > hiddenTo)
  const head = shown.filter(({ who, index }) => index === undefined && (who === 'system' || who === 'tools'))
  const rest = shown.filter((line) => !head.includes(line))
  const line = (each: Line, n: number) => [
    ...(difference && each.index === difference.index && rest[n - 1]?.index !== each.index
      ? [
          <Said key={`cut-${n}`} who="">
            <div class="cut">
              {t('firstDifference', difference.tokens === undefined ? undefined : whole(difference.tokens))}
            </div>
          </Said>,
        ]
      : []),
    <ConversationLine key={n} line={each} />,
  ]
  return (
    <ol class="talk">
      {head.map((each, n) => (
        <ConversationLine key={`head-${n}`} line={each} />
      ))}
      {hiddenTo > 0 && (
        <Said who={`1 – ${hiddenTo}`}>
          <button type="button" class="link plain" onClick={() => setQuery({ all: '' })}>
            {t('showMessages', hiddenTo)}
          </button>
        </Said>
      )}
      {rest.flatMap(line)}
    </ol>
  )
}

const roles: Record<string, TextName> = {
  user: 'user',
  assistant: 'assistant',
  system: 'systemRole',
  developer: 'systemRole',
  reasoning: 'thinkingWord',
  call: 'toolCall',
  result: 'toolResult',
  tools: 'tools',
  end: 'end',
  error: 'failed',
}

const foldedFrom = 600

function ConversationLine({ line }: { line: Line }) {
  const { who, index, text, name, id, at, images } = line
  const role = roles[who]
  return (
    <Said
      who={`${index === undefined ? '' : `${index} `}${role ? t(role) : who}`}
      size={at === undefined ? (text.length > 2000 ? t('characters', whole(text.length)) : '') : secondsLong(at)}
    >
      {who === 'call' ? (
        <ToolCall name={name ?? ''} id={id} args={pretty(text)} />
      ) : who === 'result' ? (
        <Foldable text={text} mono />
      ) : who === 'reasoning' ? (
        <Reasoning text={text} summary={t('characters', whole(text.length))} open={text.length < foldedFrom * 4} />
      ) : who === 'end' ? (
        <span class="m two">{text}</span>
      ) : who === 'error' ? (
        <span class="bad">{text}</span>
      ) : (
        <Foldable text={text} />
      )}
      {images?.map((url) =>
        url.startsWith('data:image/') ? (
          <img key={url} src={url} alt={t('picture')} class="pic" />
        ) : (
          <span class="badge">{url.slice(0, 60)}</span>
        ),
      )}
    </Said>
  )
}

function Foldable({ text, mono }: { text: string; mono?: boolean }) {
  const body = mono ? (
    <div class="tool">
      <div class="fold-body">{text}</div>
    </div>
  ) : (
    <Paragraphs text={text} />
  )
  if (text.length <= foldedFrom * 2) return body
  return (
    <details>
      <summary>
        <span class="two">{text.slice(0, 200).replaceAll(/\s+/g, ' ')}…</span>
      </summary>
      {body}
    </details>
  )
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

function Difference({ request, from, to }: { request: RequestDetail; from: FaceName; to: FaceName }) {
  const left = useResource<Face>(pathOf(request.id, from))
  const right = useResource<Face>(pathOf(request.id, to))
  const a = left.data.value
  const b = right.data.value
  const lines = useMemo(() => (a && b ? diffLines(linesFor(a), linesFor(b)) : undefined), [a, b])
  const choices = faceNames.map((name, n) => ({ value: String(n + 1), label: `${n + 1} ${t(titles[name])}` }))
  const numbers = [faceNames.indexOf(from) + 1, faceNames.indexOf(to) + 1] as const
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
      {error && <Empty title={t('notKept')}>{error.message}</Empty>}
      {lines && (
        <DiffView lines={lines} left={`${numbers[0]} ${t(titles[from])}`} right={`${numbers[1]} ${t(titles[to])}`} />
      )}
    </section>
  )
}

function linesFor(face: Face): string[] {
  const { json, events, text } = bodyOf(face)
  if (json !== undefined) return JSON.stringify(json, null, 2).split('\n')
  if (events) return events.map(({ data }) => (typeof data === 'string' ? data : JSON.stringify(data)))
  return text.split('\n')
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
