import { useEffect } from 'preact/hooks'
import type { CapturedBody, RequestDetail } from '../../admin/schema/requests.ts'
import { get } from '../api/client.ts'
import { running } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { Bodies } from '../bodies/bodies.tsx'
import { clockTime, day, percent, secondsLong, whole } from '../format.ts'
import { gatewayText, t } from '../i18n.ts'
import { Button, CopyButton } from '../parts/controls.tsx'
import { Icon } from '../parts/icon.tsx'
import { clientLeft, hasFailed, isOver, markOf, phaseText, shortId, totalMs } from '../parts/request-words.tsx'
import { useShortcuts } from '../parts/shortcuts.tsx'
import { Failed, Note, Placeholder } from '../parts/states.tsx'
import { Dim } from '../parts/status.tsx'
import { curlOf } from '../requests/curl.ts'
import { Replay } from '../requests/replay.tsx'
import { Cost } from '../requests/rows.tsx'
import { Waterfall } from '../requests/waterfall.tsx'
import { href, navigate, query, root, setQuery } from '../router.ts'

/** One request: its messages, its timeline and its attempts. */
export function RequestScreen({ id }: { id: string }) {
  const path = `requests/${encodeURIComponent(id)}`
  const { data, error, slow, reload } = useResource<RequestDetail>(path)
  const request = data.value
  const live = running.value.find((row) => row.id === id)
  // The request is read again whenever the event stream reports a change or its end.
  const state = live?.state ?? 'done'
  useEffect(() => {
    if (request && !isOver(request)) reload()
  }, [state, live?.output])
  useShortcuts({
    Escape: () => navigate('requests'),
    '[': () => request?.previous && navigate(`requests/${encodeURIComponent(request.previous)}`),
    ']': () => request?.next && navigate(`requests/${encodeURIComponent(request.next)}`),
    r: () => setQuery({ replay: query.value.get('replay') === null ? ' ' : undefined }),
    y: () => void navigator.clipboard?.writeText(id),
  })
  return (
    <main id="main" class="page">
      {request ? (
        <Filled request={request} />
      ) : error.value ? (
        <>
          <Crumb />
          <h1 class="sr">{id}</h1>
          <Failed what={id} error={error.value} again={reload} />
        </>
      ) : (
        slow.value && <Placeholder />
      )}
    </main>
  )
}

function Crumb({ request }: { request?: RequestDetail }) {
  const { session, client, previous, next } = request ?? {}
  return (
    <nav class="crumb small two" aria-label={t('place')}>
      <a class="link" href={href('requests')}>
        {t('requests')}
      </a>
      {session && (
        <>
          <Dim>/</Dim>
          <a class="link" href={href(`requests?session=${encodeURIComponent(session)}`)}>
            {client?.name} {shortId(session)}
          </a>
        </>
      )}
      <span class="end">
        {previous && (
          <a class="btn bare s" href={href(`requests/${encodeURIComponent(previous)}`)} title={t('previousInSession')}>
            <Icon name="left" />
            <span class="not-phone">{t('previous')}</span> <kbd class="not-phone">[</kbd>
          </a>
        )}
        {next && (
          <a class="btn bare s" href={href(`requests/${encodeURIComponent(next)}`)} title={t('nextInSession')}>
            <span class="not-phone">{t('next')}</span> <kbd class="not-phone">]</kbd>
            <Icon name="right" />
          </a>
        )}
      </span>
    </nav>
  )
}

/** The summary: what was asked for, how it ended, and what it cost. */
function sentence(request: RequestDetail): string {
  const model = request.model ?? request.asked ?? request.route
  if (!isOver(request)) return `${model}: ${phaseText(request)}`
  const time = secondsLong(totalMs(request))
  if (clientLeft(request)) return t('sentenceLeft', time)
  if (hasFailed(request)) return t('sentenceFailed', request.status ?? 0, time)
  const called = /^tool/.test(request.stop_reason ?? '')
  return called ? t('sentenceCalled', model, time) : t('sentenceAnswered', model, time)
}

function Filled({ request }: { request: RequestDetail }) {
  const { id, at, client, key, error, bodies, timeline, attempts, notes, ignored } = request
  const kept = !('not_captured' in bodies) && bodies['client-request'] !== undefined
  const replaying = query.value.get('replay') !== null
  const mark = markOf(request)
  return (
    <>
      <Crumb request={request} />
      <div class="head">
        <div>
          <h1>
            <i class={`g ${mark === 'no' ? '' : mark}`} />
            {sentence(request)}
          </h1>
          <p class="lede">
            {day(at)} {clockTime(at)}
            {client && ` · ${client.name} ${client.version ?? ''}`} · {t('keyNamed', key.label)} ·{' '}
            <span class="m">{id}</span>
          </p>
        </div>
        {kept && (
          <div class="end">
            <Button look="main" icon="again" onClick={() => setQuery({ replay: replaying ? undefined : ' ' })}>
              {t('replay')}
            </Button>
            <CopyButton
              look=""
              text={async () =>
                curlOf(
                  await get<CapturedBody>(`requests/${encodeURIComponent(id)}/bodies/client-request`),
                  location.origin + root,
                )
              }
            >
              {t('copyAsCurl')}
            </CopyButton>
            <a class="btn" href={`${root}admin/api/requests/${encodeURIComponent(id)}/export`} download={`${id}.html`}>
              <Icon name="down" />
              {t('export')}
            </a>
          </div>
        )}
      </div>
      {error && (
        <div class="after">
          <Note tone="bad" title={gatewayText(error.message)}>
            {error.remedy && gatewayText(error.remedy)} <span class="m">{error.code}</span>
          </Note>
        </div>
      )}
      {replaying && <Replay request={request} />}
      <div class="cols">
        <section aria-label={t('timing')}>
          {timeline.length + attempts.length > 0 && <Waterfall request={request} />}
          {notes.length + ignored.length > 0 && (
            <ul class="line-list notes-list">
              {notes.map((note) => (
                <li key={note}>{gatewayText(note)}</li>
              ))}
              {ignored.map((field) => (
                <li key={field}>
                  <span>
                    <span class="m">{field}</span> <Dim>{t('ignored')}</Dim>
                  </span>
                </li>
              ))}
            </ul>
          )}
        </section>
        <aside class="stack">
          <Tokens request={request} />
          <Route request={request} />
        </aside>
      </div>
      <Bodies request={request} />
    </>
  )
}

function Tokens({ request }: { request: RequestDetail }) {
  const { input, cached, output, reasoning, price } = request
  if (input === undefined && output === undefined) return null
  return (
    <div>
      <div class="sec first">
        <h2>{t('tokensAndCost')}</h2>
        {price && <span class="end">{t('priceOf', price)}</span>}
      </div>
      <table class="t keep">
        <tbody>
          {input !== undefined && (
            <tr>
              <td class="p1">{t('inputNew')}</td>
              <td class="n p2">{whole(input - (cached ?? 0))}</td>
            </tr>
          )}
          {input !== undefined && cached !== undefined && (
            <tr>
              <td class="p1">
                {t('inputCached')} <Dim>{percent(cached, input)} %</Dim>
              </td>
              <td class="n p2">{whole(cached)}</td>
            </tr>
          )}
          {output !== undefined && (
            <tr>
              <td class="p1">
                {t('output')} {reasoning ? <Dim>{t('ofItThinking', whole(reasoning))}</Dim> : null}
              </td>
              <td class="n p2">{whole(output)}</td>
            </tr>
          )}
          <tr>
            <td class="p1 b">{t('total')}</td>
            <td class="n p2 b">{whole((input ?? 0) + (output ?? 0))}</td>
          </tr>
          {(request.credits !== undefined || request.usd !== undefined) && (
            <tr>
              <td class="p1 b">{t('cost')}</td>
              <td class="n p2 b">
                <Cost row={request} />
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  )
}

function Route({ request }: { request: RequestDetail }) {
  const { routing, first_difference: difference, previous, route } = request
  return (
    <div>
      <div class="sec first">
        <h2>{t('routeTitle')}</h2>
        <span class="end m">{route}</span>
      </div>
      <ol class="line-list">
        {routing.map(({ from, to, by }) => (
          <li key={from + to + by}>
            <span>{from === to || from === '' ? to : `${from} → ${to}`}</span>
            <Dim>{gatewayText(by)}</Dim>
          </li>
        ))}
        {difference && previous && (
          <li>
            <span>{t('cachedUpTo', Math.max(0, difference.index - 1), difference.of)}</span>
            <a
              class="link"
              href={`${location.pathname}?body=1`}
              onClick={(event) => {
                event.preventDefault()
                setQuery({ body: '1', view: undefined, compare: undefined })
                document.getElementById('bodies')?.scrollIntoView()
              }}
            >
              {t('show')}
            </a>
          </li>
        )}
      </ol>
      {routing.length === 0 && !difference && <p class="two small">{t('noRouting')}</p>}
    </div>
  )
}
