import { useSignal } from '@preact/signals'
import type { Credential, Refusal, Upstream, UpstreamChange, Upstreams } from '../../admin/schema/upstreams.ts'
import { ApiError, send } from '../api/client.ts'
import { now } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { clockTime, creditsOf, dollars, moment, rough, whole } from '../format.ts'
import { gatewayText, t } from '../i18n.ts'
import { busyText, Slots } from '../parts/amounts.tsx'
import { ConcurrencyLine } from '../parts/concurrency-line.tsx'
import { Button } from '../parts/controls.tsx'
import { Menu } from '../parts/menu.tsx'
import { QuotaMeters } from '../parts/quota.tsx'
import { Empty, Failed, Note, Placeholder } from '../parts/states.tsx'
import { Dim, type Mark, Status } from '../parts/status.tsx'
import { upstreamMarks } from '../parts/upstream-words.ts'
import { navigate } from '../router.ts'
import { TestAll, Tester, TestSays, test } from '../upstreams/tests.tsx'

/** The upstreams and their credentials: their states, the reasons, and what the operator can do. */
export function UpstreamsScreen() {
  const { data, error, slow, reload } = useResource<Upstreams>('upstreams', 3_000)
  const list = data.value?.upstreams
  return (
    <main id="main">
      <div class="head">
        <div>
          <h1>{t('upstreams')}</h1>
          <p class="lede">{t('upstreamsLede')}</p>
        </div>
        <div class="end">{list && list.length > 0 && <TestAll upstreams={list} />}</div>
      </div>
      {error.value ? (
        <Failed what={t('upstreams')} error={error.value} again={reload} />
      ) : !list ? (
        slow.value && <Placeholder />
      ) : list.length === 0 ? (
        <Empty title={t('noUpstreams')} />
      ) : (
        list.map((upstream, n) => <One key={upstream.id} upstream={upstream} place={n + 1} changed={reload} />)
      )}
    </main>
  )
}

interface OneProps {
  upstream: Upstream
  place: number
  changed: () => void
}

function One({ upstream, place, changed }: OneProps) {
  const { id, label, state, text, credentials, history, quota } = upstream
  const base = `upstreams/${encodeURIComponent(id)}`
  const failed = useSignal<ApiError | undefined>(undefined)
  const models = credentials.length === 1 ? (credentials[0]?.models ?? []) : []
  return (
    <section class="up" aria-label={id}>
      <header>
        <span class="no dim">{place}</span>
        <h2>{id}</h2>
        <span class="two">{gatewayText(label)}</span>
        <span class="end">
          <Status mark={upstreamMarks[state]}>{t(`up_${state}`)}</Status>
          <TestSays path={`${base}/test`} />
          <UpstreamMenu
            upstream={upstream}
            base={base}
            changed={changed}
            onFailed={(thrown) => (failed.value = thrown)}
          />
        </span>
      </header>
      {failed.value && <Note tone="bad" title={gatewayText(failed.value.message) || t('unreachable')} />}
      <p class="two keyline">{gatewayText(text)}</p>
      <div class={quota ? 'cols' : ''}>
        <div>
          {credentials.length > 0 && (
            <table class="t">
              <thead>
                <tr>
                  <th>{t('credential')}</th>
                  <th>{t('state')}</th>
                  <th>{t('busyWord')}</th>
                  <th class="n">{t('requestsHour')}</th>
                  <th class="n">{t('refusedHour')}</th>
                  <th>{t('lastRefusal')}</th>
                  <th>
                    <span class="sr">{t('actions')}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {credentials.map((credential) => (
                  <CredentialRow key={credential.id} credential={credential} base={base} changed={changed} />
                ))}
              </tbody>
            </table>
          )}
          {models.length > 0 && <ModelTable models={models} history={history} />}
        </div>
        {quota && (
          <aside>
            <QuotaMeters quota={quota} />
          </aside>
        )}
      </div>
      {history.length > 0 && <History history={history} credentials={credentials} />}
    </section>
  )
}

interface UpstreamMenuProps {
  upstream: Upstream
  base: string
  changed: () => void
  onFailed: (error: ApiError | undefined) => void
}

/** The actions for a whole upstream. */
function UpstreamMenu({ upstream: { id, credentials }, base, changed, onFailed }: UpstreamMenuProps) {
  const forEach = async (action: 'pause' | 'resume', those: readonly Credential[]) => {
    onFailed(undefined)
    try {
      for (const each of those) await send('POST', `${base}/credentials/${encodeURIComponent(each.id)}/${action}`)
    } catch (thrown) {
      onFailed(thrown instanceof ApiError ? thrown : new ApiError(0, ''))
    }
    changed()
  }
  const item = (action: 'pause' | 'resume', those: readonly Credential[]) =>
    those.length === 0
      ? []
      : [{ label: t(credentials.length > 1 ? `${action}All` : action), onChoose: () => void forEach(action, those) }]
  return (
    <Menu
      label={t('actionsFor', id)}
      items={[
        { label: t('test'), onChoose: () => void test(`${base}/test`) },
        ...item(
          'pause',
          credentials.filter(({ paused }) => !paused),
        ),
        ...item(
          'resume',
          credentials.filter(({ paused }) => paused),
        ),
        { label: t('itsRequests'), onChoose: () => navigate(`requests?upstream=${encodeURIComponent(id)}`) },
      ]}
    />
  )
}

const credentialMarks: Record<Credential['state'], Mark> = {
  ready: '',
  busy: 'run',
  cooling: 'wait',
  blocked: 'bad',
  trying: 'run',
  paused: 'off',
}

function CredentialRow({ credential, base, changed }: { credential: Credential; base: string; changed: () => void }) {
  const { id, name, fingerprint, source, state, until, busy, learned_limit, requests_1h, refused_1h, paused } =
    credential
  const { reason, last_refusal, spent } = credential
  const error = useSignal<ApiError | undefined>(undefined)
  const path = `${base}/credentials/${encodeURIComponent(id)}`
  const act = (action: 'pause' | 'resume' | 'try') => async () => {
    error.value = undefined
    try {
      await send('POST', `${path}/${action}`)
    } catch (thrown) {
      error.value = thrown instanceof ApiError ? thrown : new ApiError(0, '')
    }
    changed()
  }
  const left = until === undefined ? undefined : until - now.value
  return (
    <tr>
      <td class="p1">
        {name} <span class="m dim">{fingerprint}</span> <Dim>{source}</Dim>
      </td>
      <td class="p2">
        <Status mark={credentialMarks[state]}>
          {t(`cred_${state}`)}
          {left !== undefined && left > 0 && ` ${rough(left)}`}
        </Status>
      </td>
      <td class="p3" title={learned_limit === undefined ? undefined : t('learnedLimit', learned_limit)}>
        <Slots busy={busy} of={learned_limit} /> {busyText(busy, learned_limit)}
      </td>
      <td class="n">{whole(requests_1h)}</td>
      <td class="n p4">
        <span class="only-phone">{t('refused')} </span>
        {refused_1h === 0 ? <Dim>0</Dim> : whole(refused_1h)}
      </td>
      <td class="grow two wrap">
        {error.value ? (
          <span class="bad">{gatewayText(error.value.message) || t('unreachable')}</span>
        ) : (
          <RefusalText refusal={reason ?? last_refusal} />
        )}
        {spent && <Dim> · {t('spentSinceStart', spentText(spent))}</Dim>}
      </td>
      <td class="n p5 acts">
        {(state === 'cooling' || state === 'blocked') && (
          <Button look="bare s" onClick={act('try')}>
            {t('tryNow')}
          </Button>
        )}
        <Button look="bare s" onClick={act(paused ? 'resume' : 'pause')}>
          {t(paused ? 'resume' : 'pause')}
        </Button>
        <Tester path={`${path}/test`} />
      </td>
    </tr>
  )
}

function spentText({ credits, usd }: { credits?: number; usd?: number }): string {
  return [credits === undefined ? '' : `${creditsOf(credits)} ${t('cr')}`, usd === undefined ? '' : `$${dollars(usd)}`]
    .filter(Boolean)
    .join(' ')
}

function RefusalText({ refusal }: { refusal: Refusal | undefined }) {
  if (!refusal) return <Dim>{t('noneSinceStart')}</Dim>
  return (
    <>
      {moment(refusal.at, now.value, true)}, {gatewayText(refusal.text)} <span class="m dim">{refusal.code}</span>
    </>
  )
}

interface ModelTableProps {
  models: Credential['models']
  history: readonly UpstreamChange[]
}

function ModelTable({ models, history }: ModelTableProps) {
  return (
    <table class="t models">
      <thead>
        <tr>
          <th>{t('model')}</th>
          <th>{t('busyWord')}</th>
          <th>{t('learnedWidth')}</th>
          <th class="n">{t('refusedHour')}</th>
          <th class="n">{t('lastRefusal')}</th>
        </tr>
      </thead>
      <tbody>
        {models.map(({ model, busy, waiting, learned_limit, refused, last_refusal }) => (
          <tr key={model}>
            <td class="p1">{model}</td>
            <td class="p2">
              <Slots busy={busy} of={learned_limit} waiting={waiting} /> {busyText(busy, learned_limit)}
              {waiting > 0 && <span class="warn">, {t('waitingCount', waiting)}</span>}
            </td>
            <td class="not-phone grow">
              <ConcurrencyLine changes={history.filter((each) => each.model === model)} learned={learned_limit} />
            </td>
            <td class="n p3">
              <span class="only-phone">{t('refused')} </span>
              {refused === 0 ? <Dim>0</Dim> : whole(refused)}
            </td>
            <td class="n p4 dim">{last_refusal ? clockTime(last_refusal.at) : '–'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const changesShown = 8

function History({ history, credentials }: { history: readonly UpstreamChange[]; credentials: readonly Credential[] }) {
  const newest = [...history].reverse()
  return (
    <details class="history">
      <summary class="two">{t('whatChanged', history.length)}</summary>
      <ul class="line-list">
        {newest.slice(0, changesShown).map(({ at, credential, model, kind, limit, code, for_ms }) => (
          <li key={`${at} ${credential} ${kind} ${model}`}>
            <span>
              {t(`change_${kind}`)}
              {limit !== undefined && ` ${limit}`}
              {for_ms !== undefined && ` ${rough(for_ms)}`} <Dim>{[model, code].filter(Boolean).join(' · ')}</Dim>
            </span>
            <Dim>
              {credentials.find(({ id }) => id === credential)?.name} {moment(at, now.value, true)}
            </Dim>
          </li>
        ))}
      </ul>
      {newest.length > changesShown && <Note>{t('olderChanges', newest.length - changesShown)}</Note>}
    </details>
  )
}
