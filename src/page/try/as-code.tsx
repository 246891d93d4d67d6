import { useSignal } from '@preact/signals'
import { t } from '../i18n.ts'
import { Code, Tabs } from '../parts/controls.tsx'
import { href } from '../router.ts'
import { type CodeLanguage, codeFor, languagesOf, shortened } from './code.ts'
import { dialect, draft, images, settings, turns } from './state.ts'
import type { Turn } from './transcript.ts'

/** The request that would be sent now, as a program. */
export function AsCode() {
  const language = useSignal<CodeLanguage>('curl')
  const asked: Turn[] = draft.value
    ? [...turns.value, { by: 'user', text: draft.value, images: images.value }]
    : [...turns.value]
  const shown: Turn[] = asked.length > 0 ? asked : [{ by: 'user', text: t('exampleHello'), images: [] }]
  const body = dialect.value.body(shown, settings.value)
  const { model } = settings.value
  const languages = languagesOf(dialect.value)
  const chosen = languages.includes(language.value) ? language.value : 'curl'
  const base = location.origin + href('').replace(/\/$/, '')
  return (
    <div class="as-code">
      <Tabs
        label={t('asCode')}
        value={chosen}
        choices={languages.map((value) => ({ value, label: value }))}
        onChoose={(next) => (language.value = next)}
      >
        <Code text={() => codeFor(chosen, dialect.value, model, body, base)}>
          {codeFor(chosen, dialect.value, model, shortened(body), base)}
        </Code>
      </Tabs>
    </div>
  )
}
