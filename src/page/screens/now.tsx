import type { Now, Trouble } from '../../admin/schema/now.ts'
import type { RequestRow } from '../../admin/schema/requests.ts'
import type { UpstreamBrief } from '../../admin/schema/upstreams.ts'
import { now, running, upstreams } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { creditsOf, dollars, moment, percent, seconds, secondsLong, whole } from '../format.ts'
import { gatewayText, sentences, t } from '../i18n.ts'
import { busyText, Slots, Spark } from '../parts/amounts.tsx'
import { Connect } from '../parts/connect.tsx'
import { CopyButton } from '../parts/controls.tsx'
import { PeakClock } from '../parts/peak-clock.tsx'
import { QuotaMeters } from '../parts/quota.tsx'
import { Phase, speed, totalMs, Who } from '../parts/request-words.tsx'
import { Empty, Failed, Note, Placeholder } from '../parts/states.tsx'
import { Dim, Status, Unit } from '../parts/status.tsx'
import { upstreamMarks } from '../parts/upstream-words.ts'
import { href } from '../router.ts'
import { FirstRun, needsUpstream } from './first-run.tsx'

const readEveryMs = 5_000

/** The start screen: problems, requests under way, and the statistics of the last hour. */
export function NowScreen() {
  const { data, error, slow, reload } = useResource<Now>('now', readEveryMs)
  const state = data.value
  if (!state)
    return (
      <main id="main">
        <h1 class="sr">{t('now')}</h1>
        {error.value ? <Failed what={t('now')} error={error.value} again={reload} /> : slow.value && <Placeholder />}
      </main>
    )
  if (needsUpstream(state)) return <FirstRun now={state} />
  return <Filled now={state} />
}

function Filled({ now: state }: { now: Now }) {
  const under = running.value
  const waiting = under.filter((row) => row.state === 'waiting').length
  const live = upstreams.value.length > 0 ? upstreams.value : state.upstreams
  const urgent = state.troubles.filter((trouble) => trouble.remedy !== '' && trouble.count === undefined)
  const wrong = state.troubles.filter((trouble) => trouble.count !== undefined)
  return (
    <main id="main">
      <div class="head">
        <div>
          <h1>
            <i class={state.ready ? 'g' : 'g bad'} />
            {t(state.ready ? 'ready' : 'notReady')}
          </h1>
          <p class="lede">
            {sentences(
              state.credentials.of > 0 && t('credentialsReady', state.credentials.ready, state.credentials.of),
              t('underWayCount', under.length, waiting),
            )}
          </p>
        </div>
        <div class="end">
          <span class="addr">
            <span class="sr">{t('baseUrl')}</span>
            {state.base_urls.anthropic}
            <CopyButton text={state.base_urls.anthropic} />
          </span>
          <a class="btn" href="#connect">
            {t('setUpClient')}
          </a>
        </div>
      </div>
      {!state.ready && state.reason && (
        <div class="after">
          <Note tone="bad" title={gatewayText(state.reason)}>
            {state.remedy && gatewayText(state.remedy)}
          </Note>
        </div>
      )}
      {urgent.map((trouble) => (
        <div class="after" key={trouble.code + trouble.upstream}>
          <Note tone="warn" title={gatewayText(trouble.text)}>
            {t('since', moment(trouble.since, now.value))}. {gatewayText(trouble.remedy)}
          </Note>
        </div>
      ))}
      <Figures hour={state.last_hour} />
      <div class="cols">
        <div>
          <UnderWay rows={under} />
          <WentWrong troubles={wrong} />
        </div>
        <aside>
          <Quotas upstreams={live} peak={state.peak_hours} />
          <div class="sec">
            <h2>{t('upstreams')}</h2>
            <a class="end link" href={href('upstreams')}>
              {t('details')}
            </a>
          </div>
          <ul class="line-list">
            {live.map((upstream) => (
              <UpstreamLine key={upstream.id} upstream={upstream} />
            ))}
          </ul>
        </aside>
      </div>
      <Connect />
    </main>
  )
}

function Figures({ hour }: { hour: Now['last_hour'] }) {
  const { requests, errors, input, cached, output, credits, usd, first_ms, per_minute, errors_per_minute } = hour
  return (
    <dl class="figs">
      <div>
        <dt>{t('perMinute')}</dt>
        <dd>
          {whole(per_minute.at(-1) ?? 0)} <Spark values={per_minute} errors={errors_per_minute} height={24} />
        </dd>
      </div>
      <div>
        <dt>{t('firstTokenMedian')}</dt>
        <dd>
          {first_ms ? seconds(first_ms.median) : <Dim>–</Dim>}
          {first_ms && <small>s · p95 {secondsLong(first_ms.p95)}</small>}
        </dd>
      </div>
      <div>
        <dt>{t('fromCache')}</dt>
        <dd>
          {input > 0 ? `${percent(cached, input)} %` : <Dim>–</Dim>}
          {input > 0 && <small>{t('ofInput', whole(input))}</small>}
        </dd>
      </div>
      <div>
        <dt>{t('errorsHour')}</dt>
        <dd>
          {whole(errors)}
          {requests > 0 && <small>{t('percentOf', percent(errors, requests), whole(requests))}</small>}
        </dd>
      </div>
      <div class="not-phone">
        <dt>{credits !== undefined ? t('creditsHour') : usd !== undefined ? t('moneyHour') : t('outputHour')}</dt>
        <dd>
          {credits !== undefined ? creditsOf(credits) : usd !== undefined ? `$${dollars(usd)}` : whole(output)}
          {credits !== undefined && usd !== undefined && <small>+ ${dollars(usd)}</small>}
        </dd>
      </div>
    </dl>
  )
}

function UnderWay({ rows }: { rows: readonly RequestRow[] }) {
  return (
    <>
      <div class="sec">
        <h2>{t('underWay')}</h2>
        <span class="dim">{rows.length}</span>
        <a class="end link" href={href('requests')}>
          {t('allRequests')}
        </a>
      </div>
      {rows.length === 0 ? (
        <Empty title={t('nothingUnderWay')}>
          {t('nothingUnderWayNext')}{' '}
          <a class="link" href={href('try')}>
            {t('sendOne')}
          </a>
        </Empty>
      ) : (
        <table class="t">
          <thead>
            <tr>
              <th>{t('client')}</th>
              <th>{t('model')}</th>
              <th>{t('phase')}</th>
              <th class="n">{t('age')}</th>
              <th class="n">{t('tokens')}</th>
              <th class="n">{t('tokensPerSecond')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, 20).map((row) => (
              <tr key={row.id}>
                <td class="p1">
                  <Who row={row} />
                </td>
                <td class="p3 two">{row.model ?? row.asked}</td>
                <td class="p4 grow">
                  <Phase row={row} />
                </td>
                <td class="n p2">
                  {seconds(totalMs(row))}
                  <Unit>s</Unit>
                </td>
                <td class="n">{row.output === undefined ? <Dim>–</Dim> : whole(row.output)}</td>
                <td class="n">{speed(row) ?? <Dim>–</Dim>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  )
}

function WentWrong({ troubles }: { troubles: readonly Trouble[] }) {
  if (troubles.length === 0) return null
  return (
    <>
      <div class="sec">
        <h2>{t('wentWrong')}</h2>
      </div>
      <table class="t">
        <thead>
          <tr>
            <th>{t('what')}</th>
            <th class="n">{t('times')}</th>
            <th>{t('whatToDo')}</th>
            <th class="n">{t('last')}</th>
          </tr>
        </thead>
        <tbody>
          {troubles.map((trouble) => (
            <tr key={trouble.code + trouble.upstream}>
              <td class="p1 wrap">
                <Status mark="bad">
                  <span class="two">{gatewayText(trouble.text)}</span>{' '}
                  {trouble.upstream && <Dim>{trouble.upstream}</Dim>}
                </Status>
              </td>
              <td class="n p2">{trouble.count}</td>
              <td class="p3 two wrap">{gatewayText(trouble.remedy)}</td>
              <td class="n p4">{moment(trouble.last_at ?? trouble.since, now.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}

function Quotas({ upstreams: list, peak }: { upstreams: readonly UpstreamBrief[]; peak: Now['peak_hours'] }) {
  return (
    <>
      {list.map(({ id, quota }) =>
        quota && quota.limits.length > 0 ? (
          <div key={id}>
            <div class="sec">
              <h2>{t('credits')}</h2>
              <span class="end">{[quota.plan && t('plan', quota.plan), id].filter(Boolean).join(' · ')}</span>
            </div>
            <QuotaMeters quota={quota} />
            {quota.limits.some(({ kind }) => kind === 'credits') && <PeakClock spans={peak} />}
          </div>
        ) : null,
      )}
    </>
  )
}

function UpstreamLine({ upstream }: { upstream: UpstreamBrief }) {
  const { id, label, state, text, busy, waiting, of } = upstream
  return (
    <li>
      <span class="st">
        <i class={`g ${upstreamMarks[state]}`} />
        {id} <Dim>{gatewayText(label)}</Dim>
      </span>
      <span class="two nw">
        <Slots busy={busy} of={of} waiting={waiting} /> <span class="small">{busyText(busy, of)}</span>
      </span>
      <span class="l2">{gatewayText(text)}</span>
    </li>
  )
}
