import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { bytes } from '../format.ts'
import { t } from '../i18n.ts'
import { Button } from '../parts/controls.tsx'
import { Icon } from '../parts/icon.tsx'
import type { Model } from './models.ts'
import { draft, images, isOver, run, sendDraft, settings, startOver, stop, turns } from './state.ts'
import type { AttachedImage } from './transcript.ts'

/** The gateway refuses larger images anyway. */
const mostImageBytes = 8_000_000

/** The field for the next message, with the images that go with it. */
export function Ask({ model, models }: { model: Model | undefined; models: readonly Model[] }) {
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
      tooLarge.value = file.size > mostImageBytes
      if (!tooLarge.value) images.value = [...images.value, await readImage(file)]
    }
  }
  return (
    <>
      {tooLarge.value && <p class="small warn line">{t('imageTooLarge', bytes(mostImageBytes))}</p>}
      {images.value.length > 0 && model && <Unseen model={model} models={models} />}
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
          <Button icon="image" look="bare s sq" label={t('addImage')} onClick={() => picker.current?.click()} />
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
          <Attached />
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

/** Says that the model does not see images, and which one does. */
function Unseen({ model, models }: { model: Model; models: readonly Model[] }) {
  if (model.input === undefined || model.input.includes('image')) return null
  const seeing = models.find(({ input }) => input?.includes('image'))
  return (
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
  )
}

/** The images that go with the message. */
function Attached() {
  return images.value.map((image) => (
    <span key={image.url} class="chip">
      {image.name} <i>{bytes(image.bytes)}</i>
      <button
        type="button"
        class="btn bare tiny"
        aria-label={t('remove', image.name)}
        onClick={() => (images.value = images.value.filter((each) => each !== image))}
      >
        <Icon name="x" />
      </button>
    </span>
  ))
}

function readImage(file: File): Promise<AttachedImage> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve({ name: file.name, bytes: file.size, url: String(reader.result) })
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(file)
  })
}
