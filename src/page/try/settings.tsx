import { t } from '../i18n.ts'
import { Field, Pick } from '../parts/controls.tsx'
import { tryDialects } from './dialects.ts'
import type { Model } from './models.ts'
import { dialect, key, settings } from './state.ts'
import { clockTool, type Thinking, type TrySettings } from './transcript.ts'

const efforts: readonly Thinking[] = ['default', 'none', 'low', 'medium', 'high']

const change = (next: Partial<TrySettings>) => {
  settings.value = { ...settings.value, ...next }
}

/** Which API, which model, and what the model is told to do. */
export function RequestSettings({ models, wantsKey }: { models: readonly Model[]; wantsKey: boolean }) {
  const { model, thinking, maxTokens, tool } = settings.value
  const { isPrompt } = dialect.value
  return (
    <>
      <Field label="API">
        {({ id }) => (
          <Pick
            id={id}
            value={dialect.value.id}
            choices={tryDialects.map((each) => ({ value: each.id, label: each.label }))}
            onChoose={(chosen) => {
              dialect.value = tryDialects.find((each) => each.id === chosen) ?? dialect.value
            }}
          />
        )}
      </Field>
      <div class="pair">
        <Field label={t('model')}>
          {({ id }) => (
            <Pick
              id={id}
              value={model}
              choices={models.map((each) => ({ value: each.id, label: each.id }))}
              onChoose={(next) => change({ model: next })}
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
            <Pick
              id={id}
              value={thinking}
              choices={efforts.map((value) => ({ value, label: value === 'default' ? t('modelsChoice') : value }))}
              onChoose={(next) => change({ thinking: next })}
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
                change({ maxTokens: given > 0 ? given : undefined })
              }}
            />
          )}
        </Field>
      </div>
      <Field label={t('tools')} hint={isPrompt ? t('noToolsThere') : tool ? t('toolRunsHere') : undefined}>
        {({ id }) => (
          <Pick
            id={id}
            value={tool ? 'clock' : 'none'}
            choices={[
              { value: 'none', label: t('none') },
              { value: 'clock', label: clockTool.name },
            ]}
            onChoose={(next) => change({ tool: next === 'clock' })}
          />
        )}
      </Field>
    </>
  )
}
