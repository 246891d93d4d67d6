import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { ApiError, errorOf } from '../api/client.ts'
import { bytes, secondsLong, whole } from '../format.ts'
import { type TextName, t } from '../i18n.ts'
import { Button, Code, Field, Pick as PickOne, Segments, Tabs } from '../parts/controls.tsx'
import { Icon } from '../parts/icon.tsx'
import { type Mark, Status } from '../parts/mark.tsx'
import { Empty, Note } from '../parts/states.tsx'
import { Paragraphs, Reasoning, Said, ToolCall } from '../parts/talk.tsx'
import { href, root } from '../router.ts'
import { type CodeLanguage, codeFor, languages } from '../try/code.ts'
import { tryDialects } from '../try/dialects.ts'
import {
  dialect,
  draft,
  key,
  pictures,
  type Run,
  run,
  sendDraft,
  settings,
  startOver,
  stop,
  turns,
} from '../try/state.ts'
import { clockTool, type Picture, type Thinking, type Turn } from '../try/transcript.ts'

interface Model {
  id: string
  input: readonly string[] | undefined
}

/** A first answer without a client. */
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
                {error.value.status === 401 ? '' : error.value.message || t('unreachable')}
              </Note>
            )}
            {run.value && <RunLine run={run.value} />}
            <Ask model={models.value.find(({ id }) => id === settings.value.model)} models={models.value} />
          </div>
        </section>
        <Side models={models.value} wantsKey={error.value?.status === 401 || key.value !== ''} />
      </div>
    </main>
  )
}

async function readModels(token: string): Promise<Model[]> {
  let response: Response
  try {
    response = await fetch(`${root}v1/models`, token ? { headers: { authorization: `Bearer ${token}` } } : {})
  } catch {
    throw new ApiError(0, '')
  }
  if (!response.ok) throw await errorOf(response)
  const { data } = (await response.json()) as { data: { id: string; architecture?: { input_modalities?: string[] } }[] }
  return data.map(({ id, architecture }) => ({ id, input: architecture?.input_modalities }))
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

const isOver = ({ state }: Pick<Run, 'state'>) => state === 'done' || state === 'stopped' || state === 'failed'

function RunLine({ run: { state, firstMs, totalMs, usage, stop: reason, error, requestId } }: { run: Run }) {
  const [mark, word] = runStates[state]
  const writing = firstMs === undefined ? 0 : totalMs - firstMs
  return (
    <>
      {error && (
        <Note tone="bad" title={error.status === 0 ? t('unreachable') : error.message}>
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

/** Larger ones are refused by the gateway anyway. */
const mostPictureBytes = 8_000_000

function Ask({ model, models }: { model: Model | undefined; models: readonly Model[] }) {
  const field = useRef<HTMLTextAreaElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  const tooLarge = useSignal(false)
  const running = run.value && !isOver(run.value)
  useEffect(() => {
    if (matchMedia('(min-width: 761px)').matches) field.current?.focus()
  }, [])
  const add = async (files: Iterable<File>) => {
    for (const file of files) {
      if (!file.type.startsWith('image/')) continue
      tooLarge.value = file.size > mostPictureBytes
      if (!tooLarge.value) pictures.value = [...pictures.value, await pictureOf(file)]
    }
  }
  const sees = model?.input === undefined || model.input.includes('image')
  const seeing = models.find(({ input }) => input?.includes('image'))
  return (
    <>
      {tooLarge.value && <p class="small warn line">{t('pictureTooLarge', bytes(mostPictureBytes))}</p>}
      {pictures.value.length > 0 && model && !sees && (
        <p class="small warn line">
          <i class="g warn" />
          {t('doesNotSee', model.id)}{' '}
          {seeing && (
            <button
              type="button"
              class="link plain"
              onClick={() => (settings.value = { ...settings.value, model: seeing.id })}
            >
              {t('use', seeing.id)}
            </button>
          )}
        </p>
      )}
      <form
        class="ask"
        onSubmit={(event) => {
          event.preventDefault()
          if (!running) void sendDraft()
        }}
      >
        <textarea
          ref={field}
          aria-label={t('message')}
          placeholder={t('writeOrPaste')}
          value={draft.value}
          onInput={(event) => (draft.value = event.currentTarget.value)}
          onPaste={(event) => {
            const files = [...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith('image/'))
            if (files.length === 0) return
            event.preventDefault()
            void add(files)
          }}
          onKeyDown={(event) => {
            // While an input method composes, Enter belongs to it.
            if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
              event.preventDefault()
              if (!running) void sendDraft()
            } else if (event.key === 'Escape' && running) {
              event.stopPropagation()
              stop()
            }
          }}
        />
        <div>
          <Button icon="image" look="bare s sq" label={t('addPicture')} onClick={() => picker.current?.click()} />
          <input
            ref={picker}
            type="file"
            accept="image/*"
            multiple
            hidden
            onChange={(event) => {
              void add([...(event.currentTarget.files ?? [])])
              event.currentTarget.value = ''
            }}
          />
          {pictures.value.map((picture) => (
            <span key={picture.url} class="chip">
              {picture.name} <i>{bytes(picture.bytes)}</i>
              <button
                type="button"
                class="btn bare tiny"
                aria-label={t('remove', picture.name)}
                onClick={() => (pictures.value = pictures.value.filter((each) => each !== picture))}
              >
                <Icon name="x" />
              </button>
            </span>
          ))}
          <span class="end">
            {turns.value.length > 0 && !running && (
              <Button look="bare s" onClick={startOver}>
                {t('startOver')}
              </Button>
            )}
            <kbd class="not-phone">{running ? 'Esc' : '⏎'}</kbd>
            {running ? (
              <Button look="s" onClick={stop}>
                {t('stop')}
              </Button>
            ) : (
              <Button look="s main" submit disabled={settings.value.model === ''}>
                {t('sendIt')}
              </Button>
            )}
          </span>
        </div>
      </form>
    </>
  )
}

function pictureOf(file: File): Promise<Picture> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve({ name: file.name, bytes: file.size, url: String(reader.result) })
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(file)
  })
}

const efforts: readonly Thinking[] = ['default', 'none', 'low', 'medium', 'high']

function Side({ models, wantsKey }: { models: readonly Model[]; wantsKey: boolean }) {
  const language = useSignal<CodeLanguage>('curl')
  const { model, thinking, maxTokens, tool } = settings.value
  const asked: Turn[] = draft.value
    ? [...turns.value, { by: 'user', text: draft.value, images: pictures.value }]
    : [...turns.value]
  const shown: Turn[] = asked.length > 0 ? asked : [{ by: 'user', text: t('exampleHello'), images: [] }]
  const body = dialect.value.body(shown, settings.value)
  const isPrompt = dialect.value.id === 'completions'
  return (
    <aside class="stack">
      <div class="field">
        <span class="lab">API</span>
        <Segments
          label="API"
          look="full"
          value={dialect.value.id}
          choices={tryDialects.map(({ id, label }) => ({ value: id, label }))}
          onChoose={(id) => {
            dialect.value = tryDialects.find((each) => each.id === id) ?? dialect.value
          }}
        />
      </div>
      <div class="pair">
        <Field label={t('model')}>
          {({ id }) => (
            <PickOne
              id={id}
              value={model}
              choices={models.map((each) => ({ value: each.id, label: each.id }))}
              onChoose={(next) => (settings.value = { ...settings.value, model: next })}
            />
          )}
        </Field>
        {wantsKey && (
          <Field label={t('key')}>
            {(ids) => (
              <input
                {...ids}
                class="in"
                type="password"
                autocomplete="off"
                value={key.value}
                onChange={(event) => (key.value = event.currentTarget.value.trim())}
              />
            )}
          </Field>
        )}
      </div>
      <div class="pair">
        <Field label={t('thinkingWord')}>
          {({ id }) => (
            <PickOne
              id={id}
              value={thinking}
              choices={efforts.map((value) => ({ value, label: value === 'default' ? t('modelsChoice') : value }))}
              onChoose={(next) => (settings.value = { ...settings.value, thinking: next })}
            />
          )}
        </Field>
        <Field label={t('mostTokens')}>
          {(ids) => (
            <input
              {...ids}
              class="in"
              inputMode="numeric"
              placeholder={t('noLimit')}
              value={maxTokens ?? ''}
              onInput={(event) => {
                const given = Number.parseInt(event.currentTarget.value, 10)
                settings.value = { ...settings.value, maxTokens: given > 0 ? given : undefined }
              }}
            />
          )}
        </Field>
      </div>
      <Field label={t('tools')} hint={isPrompt ? t('noToolsThere') : tool ? t('toolRunsHere') : undefined}>
        {({ id }) => (
          <PickOne
            id={id}
            value={tool ? 'clock' : 'none'}
            choices={[
              { value: 'none', label: t('none') },
              { value: 'clock', label: clockTool.name },
            ]}
            onChoose={(next) => (settings.value = { ...settings.value, tool: next === 'clock' })}
          />
        )}
      </Field>
      <div class="as-code">
        <Tabs
          label={t('asCode')}
          value={language.value}
          choices={languages.map((value) => ({ value, label: value }))}
          onChoose={(next) => (language.value = next)}
        >
          <Code text={codeFor(language.value, dialect.value, body, location.origin + href('').replace(/\/$/, ''))} />
        </Tabs>
      </div>
      <p class="small dim">{t('ordinaryRequest')}</p>
    </aside>
  )
}
