import { useSignal } from '@preact/signals'
import type { KeyWithSecret } from '../../admin/schema/keys.ts'
import { ApiError } from '../api/client.ts'
import { gatewayText, t } from '../i18n.ts'
import { Button, Code, Field } from '../parts/controls.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Note } from '../parts/states.tsx'
import { root } from '../router.ts'

/** The secret of a new key, which is shown once. */
export function Secret({ made, onClose }: { made: KeyWithSecret; onClose: () => void }) {
  const base = location.origin + root.replace(/\/$/, '')
  return (
    <Dialog
      title={t('keyReady', made.name)}
      onClose={onClose}
      insist
      footer={
        <Button look="main" onClick={onClose}>
          {t('haveCopied')}
        </Button>
      }
    >
      <div class="field">
        <span class="lab">{t('secret')}</span>
        <Code text={made.secret} />
        <span class="hint">{t('shownOnce')}</span>
      </div>
      <div class="field">
        <span class="lab">{t('tryIt')}</span>
        <Code text={`ANTHROPIC_BASE_URL=${base} ANTHROPIC_AUTH_TOKEN=${made.secret} claude`}>
          {`ANTHROPIC_BASE_URL=${base} \\\nANTHROPIC_AUTH_TOKEN=${made.secret.slice(0, 11)}… claude`}
        </Code>
      </div>
    </Dialog>
  )
}

interface ConfirmProps {
  title: string
  text: string
  action: string
  /** The user has to type a name, because the action cannot be undone. */
  typed?: string
  onClose: () => void
  onConfirm: () => Promise<void>
}

/** Asks for confirmation before an action that affects others. */
export function Confirm({ title, text, action, typed, onClose, onConfirm }: ConfirmProps) {
  const word = useSignal('')
  const error = useSignal<ApiError | undefined>(undefined)
  const confirm = async () => {
    try {
      await onConfirm()
    } catch (thrown) {
      error.value = thrown instanceof ApiError ? thrown : new ApiError(0, '')
    }
  }
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button look={typed ? '' : 'main'} onClick={confirm} disabled={typed !== undefined && word.value !== typed}>
            {action}
          </Button>
        </>
      }
    >
      <p class="two">{text}</p>
      {typed !== undefined && (
        <Field label={t('typeName', typed)}>
          {(ids) => (
            <input
              {...ids}
              class="in"
              autocomplete="off"
              value={word.value}
              onInput={(event) => (word.value = event.currentTarget.value)}
            />
          )}
        </Field>
      )}
      {error.value && <Note tone="bad" title={gatewayText(error.value.message) || t('unreachable')} />}
    </Dialog>
  )
}
