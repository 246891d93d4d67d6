import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { CapturedBody, RequestDetail } from '../../admin/schema/requests.ts'
import type { Upstreams } from '../../admin/schema/upstreams.ts'
import { ApiError, get, send } from '../api/client.ts'
import { now } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { conversationOf, type Line, parseBody } from '../bodies/read.ts'
import { moment, seconds, whole } from '../format.ts'
import { gatewayText, t } from '../i18n.ts'
import { Button, Pick } from '../parts/controls.tsx'
import { Paragraphs, Reasoning, Said, ToolCall } from '../parts/conversation-lines.tsx'
import { isOver, Phase, totalMs } from '../parts/request-words.tsx'
import { Note } from '../parts/states.tsx'
import { Dim, Status, Unit } from '../parts/status.tsx'
import { href, query, root, setQuery } from '../router.ts'
import { Cost } from './rows.tsx'

const asBefore = ''

/** Sends the request again, and shows the two replies side by side. */
export function Replay({ request }: { request: RequestDetail }) {
  const again = query.value.get('replay')?.trim() ?? ''
  const model = useSignal(asBefore)
  const upstream = useSignal(asBefore)
  const error = useSignal<ApiError | undefined>(undefined)
  const busy = useSignal(false)
  const models = useSignal<readonly string[]>([])
  const upstreams = useResource<Upstreams>('upstreams')
  useEffect(() => {
    fetch(`${root}v1/models`)
      .then((response) => response.json())
      .then(({ data }) => {
        models.value = data.map(({ id }: { id: string }) => id)
      })
      .catch(() => {})
  }, [models])
  const start = async () => {
    busy.value = true
    error.value = undefined
    try {
      const { id } = await send<{ id: string }>('POST', `requests/${encodeURIComponent(request.id)}/replay`, {
        ...(model.value && { model: model.value }),
        ...(upstream.value && { upstream: upstream.value }),
      })
      setQuery({ replay: id })
    } catch (thrown) {
      error.value = thrown instanceof ApiError ? thrown : new ApiError(0, '')
    }
    busy.value = false
  }
  return (
    <section class="pane" id="replay" aria-label={t('replay')}>
      <div class="pane-bar">
        <Pick
          prefix={t('model')}
          value={model.value}
          choices={[{ value: asBefore, label: t('asAsked') }, ...models.value.map((id) => ({ value: id, label: id }))]}
          onChoose={(next) => (model.value = next)}
        />
        <Pick
          prefix={t('upstream')}
          value={upstream.value}
          choices={[
            { value: asBefore, label: t('asUsual') },
            ...(upstreams.data.value?.upstreams ?? []).map(({ id }) => ({ value: id, label: id })),
          ]}
          onChoose={(next) => (upstream.value = next)}
        />
        <Button look="main" icon="again" onClick={start} disabled={busy.value}>
          {t('sendAgain')}
        </Button>
        <span class="end dim">{t('replayCosts')}</span>
        <Button icon="x" look="bare s sq" label={t('close')} onClick={() => setQuery({ replay: undefined })} />
      </div>
      {error.value && (
        <Note tone="bad" title={t('replayFailed')}>
          {gatewayText(error.value.message) || t('unreachable')}
        </Note>
      )}
      {again && (
        <div class="half versus">
          <Side key={request.id} id={request.id} title={t('before')} />
          <Side key={again} id={again} title={t('nowAgain')} before={request} />
        </div>
      )}
    </section>
  )
}

function cancelPath(id: string): string {
  return `requests/${encodeURIComponent(id)}/cancel`
}

/** A request that has already ended needs no stop. */
function stop(id: string): void {
  send('POST', cancelPath(id)).catch(() => {})
}

/** The request and the lines of its reply, read until it is over. With `endsIt`, leaving ends a request under way. */
function useReply(id: string, endsIt: boolean) {
  const request = useSignal<RequestDetail | undefined>(undefined)
  const lines = useSignal<readonly Line[]>([])
  useEffect(() => {
    const controller = new AbortController()
    const { signal } = controller
    const read = async () => {
      const path = `requests/${encodeURIComponent(id)}`
      request.value = await get<RequestDetail>(path, signal)
      if (isOver(request.value)) {
        const captured = await get<CapturedBody>(`${path}/bodies/client-reply`, signal)
        lines.value = conversationOf(parseBody(captured)) ?? []
        return
      }
      timer = window.setTimeout(() => void read().catch(() => {}), 500)
    }
    let timer = 0
    // Nobody would see the end of the request. It is a beacon, because a page that closes gets no answer any more.
    const leave = () => {
      const isRunning = request.value === undefined || !isOver(request.value)
      if (endsIt && isRunning) navigator.sendBeacon(`${root}admin/api/${cancelPath(id)}`)
    }
    addEventListener('pagehide', leave)
    read().catch(() => {})
    return () => {
      removeEventListener('pagehide', leave)
      leave()
      clearTimeout(timer)
      controller.abort()
    }
  }, [id, request, lines])
  return { shown: request.value, lines: lines.value }
}

function Side({ id, title, before }: { id: string; title: string; before?: RequestDetail }) {
  const { shown, lines } = useReply(id, before !== undefined)
  if (!shown) return <div />
  return (
    <div>
      <div class="sec first">
        <h2>
          {title} · {shown.model ?? shown.asked}
        </h2>
        <span class="end">
          {isOver(shown) ? (
            <a class="link" href={href(`requests/${encodeURIComponent(id)}`)}>
              {moment(shown.at, now.value, true)}
            </a>
          ) : (
            <>
              <Phase row={shown} />
              <Button icon="x" look="bare s sq" label={t('stop')} onClick={() => stop(id)} />
            </>
          )}
        </span>
      </div>
      <Figures shown={shown} before={before} />
      {shown.error && <Status mark="bad">{gatewayText(shown.error.message)}</Status>}
      <ol class="talk">
        {lines.map((line, n) => (
          <ReplyLine key={n} line={line} />
        ))}
      </ol>
    </div>
  )
}

/** How long it took and what it cost, with the difference to the first token of the request before. */
function Figures({ shown, before }: { shown: RequestDetail; before: RequestDetail | undefined }) {
  const delta =
    before?.first_ms !== undefined && shown.first_ms !== undefined ? shown.first_ms - before.first_ms : undefined
  return (
    <table class="t keep">
      <tbody>
        <tr>
          <td class="p1 two">{t('firstToken')}</td>
          <td class="n p2">
            {delta !== undefined && <Dim>{`${delta < 0 ? '−' : '+'}${seconds(Math.abs(delta))} `}</Dim>}
            {shown.first_ms === undefined ? '' : seconds(shown.first_ms)}
            <Unit>s</Unit>
          </td>
        </tr>
        <tr>
          <td class="p1 two">{t('total')}</td>
          <td class="n p2">
            {seconds(totalMs(shown))}
            <Unit>s</Unit>
          </td>
        </tr>
        <tr>
          <td class="p1 two">{t('output')}</td>
          <td class="n p2">
            {shown.reasoning ? <Dim>{t('ofItThinking', whole(shown.reasoning))} </Dim> : null}
            {shown.output === undefined ? '' : whole(shown.output)}
          </td>
        </tr>
        <tr>
          <td class="p1 two">{t('cost')}</td>
          <td class="n p2">{isOver(shown) ? <Cost row={shown} /> : <Dim>{t('atTheEnd')}</Dim>}</td>
        </tr>
      </tbody>
    </table>
  )
}

const speakers = { call: 'toolCall', reasoning: 'thinkingWord', end: 'end' } as const

function ReplyLine({ line: { who, name = '', text } }: { line: Line }) {
  const speaker = who === 'call' || who === 'reasoning' || who === 'end' ? speakers[who] : 'assistant'
  return (
    <Said who={t(speaker)}>
      {who === 'call' ? (
        <ToolCall name={name} args={text} />
      ) : who === 'reasoning' ? (
        <Reasoning text={text} summary={t('characters', whole(text.length))} open={false} />
      ) : (
        <Paragraphs text={text} />
      )}
    </Said>
  )
}
