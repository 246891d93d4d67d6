import { type Signal, useSignal } from '@preact/signals'
import type { KeyView, KeyWithSecret } from '../../admin/schema/keys.ts'
import { ApiError, send } from '../api/client.ts'
import { upstreams } from '../api/live.ts'
import { gatewayText, t } from '../i18n.ts'
import { Button, Field } from '../parts/controls.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Note } from '../parts/states.tsx'
import { AddBudget, BudgetFields } from './budget-fields.tsx'
import { fieldNames, type KeyDraft, keyChangeOf, newKeyOf, useKeyDraft } from './draft.ts'
import { BudgetPrices } from './prices.tsx'

interface KeyFormProps {
  /** None makes a new one. */
  before?: KeyView
  onClose: () => void
  onSaved: (key: KeyView | KeyWithSecret) => void
}

/** Makes a key, or changes what one may do. */
export function KeyForm({ before, onClose, onSaved }: KeyFormProps) {
  const draft = useKeyDraft(before)
  const error = useSignal<ApiError | undefined>(undefined)
  const busy = useSignal(false)
  const save = async (event?: Event) => {
    event?.preventDefault()
    busy.value = true
    error.value = undefined
    try {
      onSaved(await saved(before, draft))
    } catch (thrown) {
      error.value = thrown instanceof ApiError ? thrown : new ApiError(0, '')
    }
    busy.value = false
  }
  const isOf = (member: string) => error.value?.param?.startsWith(member)
  const errorOf = (member: string) => (error.value && isOf(member) ? gatewayText(error.value.message) : undefined)
  return (
    <Dialog
      title={before ? t('limitsOf', before.name) : t('createKey')}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button look="main" onClick={() => save()} disabled={busy.value || draft.name.value.trim() === ''}>
            {t(before ? 'save' : 'create')}
          </Button>
        </>
      }
    >
      <form class="stack" onSubmit={save}>
        <LimitFields draft={draft} errorOf={errorOf} />
        <BudgetFields budgets={draft.budgets} errorOf={errorOf} />
        <BudgetPrices budgets={draft.budgets.value} models={draft.models.value} />
        <AddBudget budgets={draft.budgets} />
        <Field label={t('expires')} hint={t('expiresHint')} error={errorOf('expires')}>
          {(ids) => (
            <input
              {...ids}
              class="in"
              type="date"
              value={draft.expires.value}
              onInput={(event) => {
                draft.expires.value = event.currentTarget.value
              }}
            />
          )}
        </Field>
        {error.value && !fieldNames.some(isOf) && (
          <Note tone="bad" title={gatewayText(error.value.message) || t('unreachable')} />
        )}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

function saved(before: KeyView | undefined, draft: KeyDraft): Promise<KeyView | KeyWithSecret> {
  return before
    ? send<KeyView>('PATCH', `keys/${encodeURIComponent(before.id)}`, keyChangeOf(draft))
    : send<KeyWithSecret>('POST', 'keys', newKeyOf(draft))
}

/** Name, what the key may use, and how much of it at a time. */
function LimitFields({ draft, errorOf }: { draft: KeyDraft; errorOf: (member: string) => string | undefined }) {
  const all = t('all')
  const noLimit = t('noLimit')
  return (
    <>
      <Field label={t('name')} hint={t('nameHint')} error={errorOf('name')}>
        {input(draft.name)}
      </Field>
      <div class="pair">
        <Field label={t('models')} hint={t('modelsHint')} error={errorOf('models')}>
          {input(draft.models, all)}
        </Field>
        <Field
          label={t('upstreams')}
          hint={upstreams.value.map(({ id }) => id).join(', ')}
          error={errorOf('upstreams')}
        >
          {input(draft.upstreams, all)}
        </Field>
      </div>
      <div class="pair">
        <Field label={t('apis')} hint="openai-chat, anthropic-messages" error={errorOf('dialects')}>
          {input(draft.dialects, all)}
        </Field>
        <Field label={t('mcpServers')} hint={t('mcpServersHint')} error={errorOf('mcp_servers')}>
          {input(draft.servers, all)}
        </Field>
      </div>
      <div class="pair">
        <Field label={t('rpm')} error={errorOf('rpm')}>
          {input(draft.rpm, noLimit)}
        </Field>
        <Field label={t('tpm')} error={errorOf('tpm')}>
          {input(draft.tpm, noLimit)}
        </Field>
        <Field label={t('atATime')} error={errorOf('parallel')}>
          {input(draft.parallel, noLimit)}
        </Field>
      </div>
    </>
  )
}

function input(text: Signal<string>, placeholder?: string) {
  return (ids: object) => (
    <input
      {...ids}
      class="in"
      autocomplete="off"
      placeholder={placeholder}
      value={text.value}
      onInput={(event) => {
        text.value = event.currentTarget.value
      }}
    />
  )
}
