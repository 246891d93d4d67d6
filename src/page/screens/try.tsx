import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { ApiError } from '../api/client.ts'
import { secondsLong, whole } from '../format.ts'
import { gatewayText, type TextName, t } from '../i18n.ts'
import { Button } from '../parts/controls.tsx'
import { Paragraphs, Reasoning, Said, ToolCall } from '../parts/conversation-lines.tsx'
import { Empty, Note } from '../parts/states.tsx'
import { type Mark, Status } from '../parts/status.tsx'
import { href } from '../router.ts'
import { AsCode } from '../try/as-code.tsx'
import { Ask } from '../try/ask.tsx'
import { type Model, readModels } from '../try/models.ts'
import { RequestSettings } from '../try/settings.tsx'
import { draft, isOver, key, type Run, run, settings, turns } from '../try/state.ts'
import type { Turn } from '../try/transcript.ts'

/** The playground: sends requests without a client program. */
export function TryScreen() {
  const models = useSignal<readonly Model[]>([])
  const error = useSignal<ApiError | undefined>(undefined)
  const asked = key.value
  useEffect(() => {
    readModels(asked)
      .then((list) => {
        models.value = list
        error.value = undefined
        if (!list.some(({ id }) => id === settings.value.model))
          settings.value = { ...settings.value, model: list[0]?.id ?? '' }
      })
      .catch((thrown) => (error.value = thrown))
  }, [asked, models, error])
  return (
    <main id="main">
      <div class="cols try">
        <section class="chat" aria-label={t('conversation')}>
          <h1 class="sr">{t('try')}</h1>
          {turns.value.length === 0 ? <Begin /> : <Talk turns={turns.value} />}
          <div class="foot">
            {error.value && (
              <Note tone="bad" title={error.value.status === 401 ? t('tryNeedsKey') : t('couldNotRead', t('models'))}>
                {error.value.status === 401 ? '' : gatewayText(error.value.message) || t('unreachable')}
              </Note>
            )}
            {run.value && <RunLine run={run.value} />}
            <Ask model={models.value.find(({ id }) => id === settings.value.model)} models={models.value} />
          </div>
        </section>
        <aside class="stack">
          <RequestSettings models={models.value} wantsKey={error.value?.status === 401 || key.value !== ''} />
          <AsCode />
          <p class="small dim">{t('ordinaryRequest')}</p>
        </aside>
      </div>
    </main>
  )
}

const examples = ['exampleHello', 'exampleTime', 'exampleThink'] as const

function Begin() {
  return (
    <div class="begin">
      <Empty title={t('tryTitle')}>{t('tryNext')}</Empty>
      <ul class="stack">
        {examples.map((example) => (
          <li key={example}>
            <Button
              onClick={() => {
                draft.value = t(example)
                if (example === 'exampleTime') settings.value = { ...settings.value, tool: true }
                document.querySelector<HTMLTextAreaElement>('.ask textarea')?.focus()
              }}
            >
              {t(example)}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Talk({ turns: all }: { turns: readonly Turn[] }) {
  return (
    <ol class="talk">
      {all.flatMap((turn, n) => {
        const id = String(n)
        if (turn.by === 'user')
          return [
            <Said key={id} who={t('you')}>
              <Paragraphs text={turn.text} />
              {turn.images.map((image) => (
                <img key={image.name} src={image.url} alt={image.name} class="pic" />
              ))}
            </Said>,
          ]
        return turn.parts.map((part, m) => {
          const partId = `${id}-${m}`
          if (part.type === 'reasoning')
            return (
              <Said key={partId} who={t('thinkingWord')}>
                <Reasoning text={part.text} summary={secondsLong(part.ms)} />
              </Said>
            )
          if (part.type === 'text')
            return (
              <Said key={partId} who={turn.model}>
                <Paragraphs text={part.text} />
              </Said>
            )
          return (
            <Said key={partId} who={t('toolCall')}>
              <ToolCall name={part.name} id={part.id} args={part.args} result={part.result} />
            </Said>
          )
        })
      })}
    </ol>
  )
}

const runStates: Record<Run['state'], [Mark, TextName]> = {
  waiting: ['wait', 'waitingFirst'],
  thinking: ['run', 'thinking'],
  writing: ['run', 'writing'],
  calling: ['run', 'toolCall'],
  done: ['', 'done'],
  stopped: ['off', 'stopped'],
  failed: ['bad', 'failed'],
}

function RunLine({ run: { state, firstMs, totalMs, usage, stop: reason, error, requestId } }: { run: Run }) {
  const [mark, word] = runStates[state]
  const writing = firstMs === undefined ? 0 : totalMs - firstMs
  return (
    <>
      {error && (
        <Note tone="bad" title={error.status === 0 ? t('unreachable') : gatewayText(error.message)}>
          {error.code}
        </Note>
      )}
      <p class="state small two" aria-live="polite">
        <Status mark={mark}>
          {t(word)}
          {state === 'done' && reason && <span class="dim"> {reason}</span>}
        </Status>
        {firstMs !== undefined && <span>{t('firstTokenAfter', secondsLong(firstMs))}</span>}
        <span>{secondsLong(totalMs)}</span>
        {usage.output !== undefined && writing > 100 && (
          <span>{t('tokensASecond', Math.round(usage.output / (writing / 1000)))}</span>
        )}
        {usage.input !== undefined && (
          <span>{t('inCachedOut', whole(usage.input), whole(usage.cached ?? 0), whole(usage.output ?? 0))}</span>
        )}
        {requestId && isOver({ state }) && (
          <a class="link end" href={href(`requests/${encodeURIComponent(requestId)}`)}>
            {t('lookInto')}
          </a>
        )}
      </p>
    </>
  )
}
