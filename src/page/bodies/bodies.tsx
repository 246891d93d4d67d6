import { useComputed } from '@preact/signals'
import type { Face, FaceName, RequestDetail } from '../../admin/schema/requests.ts'
import { captureMinutes, setCapture } from '../api/capture.ts'
import { capture, now } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { bytes, moment } from '../format.ts'
import { say, t } from '../i18n.ts'
import { Button, CopyButton, Segments } from '../parts/controls.tsx'
import { useShortcuts } from '../parts/shortcuts.tsx'
import { Empty, Failed, Placeholder } from '../parts/states.tsx'
import { href, query, setQuery } from '../router.ts'
import { Conversation } from './conversation.tsx'
import { Difference } from './difference.tsx'
import { faceNames, pathOf, titles } from './face-names.ts'
import { Raw, Start } from './raw.tsx'
import { type Body, bodyOf, conversationOf } from './read.ts'
import { Tree } from './tree.tsx'

type View = 'conversation' | 'tree' | 'raw'
const views: readonly View[] = ['conversation', 'tree', 'raw']

/** The same exchange seen at the four edges. */
export function Faces({ request }: { request: RequestDetail }) {
  const { faces } = request
  const chosen = faceNames[Number(query.value.get('face')) - 1] ?? 'client-reply'
  const view = views.find((each) => each === query.value.get('view')) ?? 'conversation'
  const [from, to] = (query.value.get('compare') ?? '').split('-').map((n) => faceNames[Number(n) - 1])
  // A request is compared with the other request, a reply with the other reply.
  const compare = () => setQuery({ compare: from ? undefined : chosen.endsWith('request') ? '1-2' : '3-4' })
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
        <NotKept reason={faces.not_captured} />
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

/** Why there is nothing to read, and how the next request is kept. */
function NotKept({ reason }: { reason: string }) {
  const { mode, until } = capture.value ?? {}
  const isKeeping = mode === 'memory' || mode === 'disk'
  return (
    <Empty title={t('onlyNumbersKept')}>
      {isKeeping && until !== undefined ? t('keptFromNowOn', moment(until, now.value)) : say(reason)}{' '}
      {isKeeping ? (
        <a class="link" href={href('system')}>
          {t('whatIsKept')}
        </a>
      ) : (
        <Button look="s" onClick={() => setCapture('memory', captureMinutes)}>
          {t('keepBodies', captureMinutes)}
        </Button>
      )}
    </Empty>
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
          <Empty title={t('notKept')}>{say(error.value.message)}</Empty>
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
