import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { AgentSession, AgentSessionDetail, AgentSessionPage } from '../../admin/schema/agent-sessions.ts'
import type { RequestRow } from '../../admin/schema/requests.ts'
import type { System } from '../../admin/schema/system.ts'
import { get } from '../api/client.ts'
import { now, running } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { creditsOf, dollars, moment, percent, rough, short, whole } from '../format.ts'
import { t } from '../i18n.ts'
import { Meter } from '../parts/amounts.tsx'
import { Button } from '../parts/controls.tsx'
import { Icon } from '../parts/icon.tsx'
import { LegendOf, Plot } from '../parts/plot.tsx'
import { hasFailed, shortId } from '../parts/request-words.tsx'
import { useShortcuts } from '../parts/shortcuts.tsx'
import { Empty, Failed, Placeholder } from '../parts/states.tsx'
import { Dim, Status, Unit } from '../parts/status.tsx'
import { href, navigate, query, setQuery } from '../router.ts'

/** The sessions of agents, and how much context and credits each uses. */
export function SessionsScreen() {
  return <Sessions id={undefined} />
}

/** The same screen, with the session of the address selected. */
export function SessionScreen({ id }: { id: string }) {
  return <Sessions id={id} />
}

function Sessions({ id }: { id: string | undefined }) {
  const words = query.value.get('q') ?? ''
  const search = words === '' ? '' : `?q=${encodeURIComponent(words)}`
  const { data, error, slow, reload } = useResource<AgentSessionPage>(`sessions${search}`, 15_000)
  const older = useSignal<{ search: string; sessions: AgentSession[]; next: string | undefined } | undefined>(undefined)
  const more = older.value?.search === search ? older.value : undefined
  const next = more ? more.next : data.value?.next
  const newest = data.value?.sessions
  const known = new Set(newest?.map((session) => session.id))
  const sessions = newest && [...newest, ...(more?.sessions.filter((session) => !known.has(session.id)) ?? [])]
  const readOlder = async () => {
    const page = await get<AgentSessionPage>(`sessions${search || '?'}${search && '&'}before=${next}`).catch(
      () => undefined,
    )
    if (page) older.value = { search, sessions: [...(more?.sessions ?? []), ...page.sessions], next: page.next }
  }
  const chosen = id ?? sessions?.[0]?.id
  return (
    <main id="main">
      <div class="head">
        <div>
          <h1>{t('sessions')}</h1>
          <p class="lede">{t('sessionsLede')}</p>
        </div>
        <search class="end">
          <FilterField words={words} />
        </search>
      </div>
      {error.value ? (
        <Failed what={t('sessions')} error={error.value} again={reload} />
      ) : !sessions ? (
        slow.value && <Placeholder />
      ) : sessions.length === 0 && words !== '' ? (
        <Empty title={t('nothingMatches')}>
          <button type="button" class="link plain" onClick={() => setQuery({ q: undefined })}>
            {t('clearFilter')}
          </button>
        </Empty>
      ) : sessions.length === 0 ? (
        <NoSessions />
      ) : (
        <div class="cols wide-side">
          <div>
            <table class="t">
              <thead>
                <tr>
                  <th>{t('session')}</th>
                  <th class="n">{t('sinceWord')}</th>
                  <th class="n">{t('turns')}</th>
                  <th class="n">{t('tokens')}</th>
                  <th class="n">{t('cached')}</th>
                  <th class="n">{t('cost')}</th>
                  <th class="mid">{t('context')}</th>
                </tr>
              </thead>
              <tbody>
                {sessions.flatMap((session) => [
                  <SessionRow key={session.id} session={session} selected={session.id === chosen} />,
                  ...session.agents
                    .filter((agent) => agent.id !== '' && session.agents.length > 1)
                    .map((agent) => (
                      <AgentRow key={`${session.id} ${agent.id}`} agent={agent} window={session.window} />
                    )),
                ])}
              </tbody>
            </table>
            {next !== undefined && (
              <p class="above">
                <Button look="s" onClick={readOlder}>
                  {t('showOlder')}
                </Button>
              </p>
            )}
          </div>
          <aside>{chosen && <Detail key={chosen} id={chosen} />}</aside>
        </div>
      )}
    </main>
  )
}

function NoSessions() {
  const { data } = useResource<System>('system')
  const { command } = data.value ?? {}
  return (
    <Empty title={t('noSessions')}>
      {t('noSessionsNext')} {command && <code class="m">{command} claude</code>}
    </Empty>
  )
}

function FilterField({ words }: { words: string }) {
  const field = useRef<HTMLInputElement>(null)
  const timer = useRef(0)
  useShortcuts({ '/': () => field.current?.focus() })
  return (
    <label class="in find">
      <Icon name="find" />
      <span class="sr">{t('sessionFilter')}</span>
      <input
        ref={field}
        defaultValue={words}
        placeholder={t('sessionFilter')}
        spellcheck={false}
        onInput={({ currentTarget: { value } }) => {
          clearTimeout(timer.current)
          timer.current = window.setTimeout(() => setQuery({ q: value.trim() || undefined }), 250)
        }}
      />
      <kbd class="not-phone">/</kbd>
    </label>
  )
}

function Cost({ credits, usd }: Pick<AgentSession, 'credits' | 'usd'>) {
  if (credits !== undefined)
    return (
      <>
        {creditsOf(credits)}
        <Unit>{t('cr')}</Unit>
      </>
    )
  return usd === undefined ? null : <>${dollars(usd)}</>
}

function SessionRow({ session, selected }: { session: AgentSession; selected: boolean }) {
  const { id, client, started_at, turns, context } = session
  const live = running.value.filter((row) => row.session === id)
  const mark = live.length === 0 ? 'off' : live.some(({ state }) => state !== 'waiting') ? 'run' : 'wait'
  return (
    <tr
      class="chosen"
      aria-selected={selected}
      onClick={() => navigate(`sessions/${encodeURIComponent(id)}${location.search}`)}
    >
      <td class="p1 grow" title={id}>
        <a href={href(`sessions/${encodeURIComponent(id)}${location.search}`)}>
          <Status mark={mark}>
            {client ?? t('unknown')} <Dim>{shortId(id)}</Dim>
          </Status>
        </a>
      </td>
      <td class="n">{moment(started_at, now.value)}</td>
      <UseCells of={session} window={session.window} />
      <td class="p3 only-phone">
        {moment(started_at, now.value)} · {t('turnsContext', turns, short(context))}
      </td>
    </tr>
  )
}

/** The part of a session's turns and tokens that one of its agents has used. */
function AgentRow({ agent, window }: { agent: AgentSession['agents'][number]; window: number | undefined }) {
  const { id, label, turns, context } = agent
  return (
    <tr>
      <td class="p1 grow">
        <span class="kid" title={id}>
          {label ?? shortId(id)}
        </span>
      </td>
      <td class="not-phone" />
      <UseCells of={agent} window={window} />
      <td class="p3 only-phone">{t('turnsContext', turns, short(context))}</td>
    </tr>
  )
}

/** What a session or one of its agents has used: the cells between its name and the line for phones. */
function UseCells({ of, window }: { of: AgentSession | AgentSession['agents'][number]; window: number | undefined }) {
  const { turns, input, cached, output, context } = of
  return (
    <>
      <td class="n">{whole(turns)}</td>
      <td class="n p2">{whole(input + output)}</td>
      <td class="n">
        {percent(cached, input)}
        <Unit>%</Unit>
      </td>
      <td class="n p4">
        <Cost {...of} />
      </td>
      <td class="mid">
        <Context context={context} window={window} />
      </td>
    </>
  )
}

function Context({ context, window }: { context: number; window: number | undefined }) {
  return (
    <span class="tb" title={window === undefined ? undefined : t('ofWindow', short(context), short(window))}>
      {window !== undefined && (
        <span class="narrow-bar">
          <Meter portions={[{ share: context / window }]} />
        </span>
      )}
      {short(context)}
    </span>
  )
}

/**
 * The turns that lost the cache: most of the prompt was not cached, although it is about as long as that of the turn before.
 * A much shorter prompt is one that the client has compacted on purpose.
 */
function brokenTurns(rows: readonly RequestRow[]): RequestRow[] {
  return rows.filter((row, n) => {
    const { input = 0, cached } = row
    const before = rows[n - 1]?.input ?? 0
    return before > 2_000 && input > 0.8 * before && cached !== undefined && cached < before / 2
  })
}

function Detail({ id }: { id: string }) {
  const { data, error, reload } = useResource<AgentSessionDetail>(`sessions/${encodeURIComponent(id)}`, 15_000)
  const session = data.value
  if (error.value) return <Failed what={t('session')} error={error.value} again={reload} />
  if (!session) return null
  const { client, models, started_at, last_at, input, cached, window, requests } = session
  const oldestFirst = [...requests].sort((a, b) => a.at - b.at)
  const main = oldestFirst.filter((row) => row.input !== undefined && (!row.agent || row.agent === 'main'))
  const turns = main.length > 0 ? main : oldestFirst.filter((row) => row.input !== undefined)
  const waited = requests.reduce((sum, { wait_ms }) => sum + (wait_ms ?? 0), 0)
  const failed = requests.filter(hasFailed).length
  const broken = brokenTurns(turns)
  const series = [
    { name: t('fromCacheWord'), look: 's2' },
    { name: t('readAnew'), look: 's4' },
  ]
  return (
    <>
      <div class="sec first">
        <h2>
          {client ?? t('session')} {shortId(id)}
        </h2>
        <a class="end link" href={href(`requests?session=${encodeURIComponent(id)}`)}>
          {t('requestsCount', requests.length)}
        </a>
      </div>
      <dl class="kv">
        <dt>{t('model')}</dt>
        <dd>{models.join(', ')}</dd>
        <dt>{t('time')}</dt>
        <dd>
          {rough(last_at - started_at)}
          {waited > 1000 && `, ${t('ofItWaiting', rough(waited))}`}
        </dd>
        <dt>{t('cache')}</dt>
        <dd>
          {percent(cached, input)} %.{' '}
          {broken.map((row) => (
            <a key={row.id} class="link after-word" href={href(`requests/${encodeURIComponent(row.id)}?body=1`)}>
              {t('brokeAtTurn', turns.indexOf(row) + 1)}
            </a>
          ))}
        </dd>
        {failed > 0 && (
          <>
            <dt>{t('errors')}</dt>
            <dd class="bad">{failed}</dd>
          </>
        )}
      </dl>
      {turns.length > 0 && (
        <>
          <div class="sec">
            <h2>{t('contextByTurn')}</h2>
          </div>
          <Plot
            slots={turns.map((row, n) => ({
              label: String(n + 1),
              title: `${t('turn', n + 1)} · ${moment(row.at, now.value, true)}`,
              values: [row.cached ?? 0, (row.input ?? 0) - (row.cached ?? 0)],
            }))}
            series={series}
            height={168}
            cap={window}
            labels={6}
            label={t('contextPlot', turns.length)}
          />
          <p class="legend above">
            <LegendOf series={series} />
            {window !== undefined && <Dim>{t('dashedWindow')}</Dim>}
          </p>
        </>
      )}
    </>
  )
}
