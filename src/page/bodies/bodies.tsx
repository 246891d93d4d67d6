import { useComputed } from '@preact/signals'
import type { BodyName, CapturedBody, RequestDetail } from '../../admin/schema/requests.ts'
import { captureMinutes, setCapture } from '../api/capture.ts'
import { capture, now } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { bytes, moment } from '../format.ts'
import { gatewayText, t } from '../i18n.ts'
import { Button, CopyButton, Segments } from '../parts/controls.tsx'
import { useShortcuts } from '../parts/shortcuts.tsx'
import { Empty, Failed, Placeholder } from '../parts/states.tsx'
import { href, query, setQuery } from '../router.ts'
import { bodyNames, pathOf, titles } from './body-names.ts'
import { Conversation } from './conversation.tsx'
import { Difference } from './difference.tsx'
import { Raw, Start } from './raw.tsx'
import { conversationOf, type ParsedBody, parseBody } from './read.ts'
import { Tree } from './tree.tsx'

type View = 'conversation' | 'tree' | 'raw'
const views: readonly View[] = ['conversation', 'tree', 'raw']

/** The four bodies of a request: of the client and of the upstream, each request and reply. */
export function Bodies({ request }: { request: RequestDetail }) {
  const { bodies } = request
  const chosen = bodyNames[Number(query.value.get('body')) - 1] ?? 'client-reply'
  const view = views.find((each) => each === query.value.get('view')) ?? 'conversation'
  const [from, to] = (query.value.get('compare') ?? '').split('-').map((n) => bodyNames[Number(n) - 1])
  // A request is compared with the other request, a reply with the other reply.
  const compare = () => setQuery({ compare: from ? undefined : chosen.endsWith('request') ? '1-2' : '3-4' })
  const choose = (n: number) => setQuery({ body: String(n), compare: undefined, replay: undefined })
  useShortcuts({
    ...{ '1': () => choose(1), '2': () => choose(2), '3': () => choose(3), '4': () => choose(4) },
    ...{
      c: () => setQuery({ view: undefined }),
      e: () => setQuery({ view: 'tree' }),
      w: () => setQuery({ view: 'raw' }),
    },
    d: compare,
  })
  if ('not_captured' in bodies)
    return (
      <>
        <div class="sec" id="bodies">
          <h2>{t('fourBodies')}</h2>
        </div>
        <NotKept reason={bodies.not_captured} />
      </>
    )
  return (
    <>
      <div class="sec" id="bodies">
        <h2>{t('fourBodies')}</h2>
        <span class="end">{t('secretsRemoved')}</span>
      </div>
      <nav class="bodies" aria-label={t('fourBodies')}>
        {bodyNames.map((name, n) => {
          const size = bodies[name]
          const current = from ? name === from || name === to : name === chosen
          return (
            <a
              key={name}
              href={`${location.pathname}?body=${n + 1}`}
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
          <OneBody key={chosen} request={request} name={chosen} view={view} compare={compare} />
        </section>
      )}
    </>
  )
}

/** Says why no body was captured, and how to capture the next one. */
function NotKept({ reason }: { reason: string }) {
  const { mode, until } = capture.value ?? {}
  const isKeeping = mode === 'memory' || mode === 'disk'
  return (
    <Empty title={t('onlyNumbersKept')}>
      {isKeeping && until !== undefined ? t('keptFromNowOn', moment(until, now.value)) : gatewayText(reason)}{' '}
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

interface OneBodyProps {
  request: RequestDetail
  name: BodyName
  view: View
  compare: () => void
}

function OneBody({ request, name, view, compare }: OneBodyProps) {
  const { data, error, slow, reload } = useResource<CapturedBody>(pathOf(request.id, name))
  const body = useComputed(() => data.value && parseBody(data.value))
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
          <Empty title={t('notKept')}>{gatewayText(error.value.message)}</Empty>
        ) : (
          <Failed what={t(titles[name])} error={error.value} again={reload} />
        )
      ) : data.value && body.value ? (
        <BodyView request={request} name={name} captured={data.value} body={body.value} view={view} />
      ) : (
        slow.value && <Placeholder rows={4} />
      )}
    </>
  )
}

interface BodyViewProps {
  request: RequestDetail
  name: BodyName
  captured: CapturedBody
  body: ParsedBody
  view: View
}

function BodyView({ request, name, captured, body, view }: BodyViewProps) {
  if (view === 'raw') return <Raw captured={captured} />
  if (view === 'tree')
    return (
      <div class="tree">
        <Start captured={captured} />
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
  if (!lines) return <Raw captured={captured} />
  const difference = name === 'client-request' ? request.first_difference : undefined
  return <Conversation lines={lines} difference={difference} />
}
