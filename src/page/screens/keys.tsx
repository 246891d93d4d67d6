import { type Signal, useSignal } from '@preact/signals'
import type { KeyList, KeyView, KeyWithSecret } from '../../admin/schema/keys.ts'
import type { System } from '../../admin/schema/system.ts'
import { ApiError, send } from '../api/client.ts'
import { upstreams } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { gatewayText, sentences, t } from '../i18n.ts'
import { Confirm, Secret } from '../keys/dialogs.tsx'
import { KeyForm } from '../keys/form.tsx'
import { type KeyAction, KeyTable } from '../keys/table.tsx'
import { Button } from '../parts/controls.tsx'
import { Empty, Failed, Note, Placeholder } from '../parts/states.tsx'

type Open = { dialog: 'create' } | { dialog: KeyAction; key: KeyView } | { dialog: 'secret'; key: KeyWithSecret }

/** Commands are other processes, and know nothing of a database in the memory of this one. */
function NoKeys() {
  const { data } = useResource<System>('system')
  const { database, command } = data.value ?? {}
  return (
    <Empty title={t('noKeys')}>
      {database === 'memory' ? (
        t('noKeysInMemory')
      ) : (
        <>
          {t('noKeysNext')} {command && <code class="m">{command} key create --name laptop</code>}
        </>
      )}
    </Empty>
  )
}

/** The keys of clients with their budgets. */
export function KeysScreen() {
  const { data, error, slow, reload } = useResource<KeyList>('keys', 5_000)
  const open = useSignal<Open | undefined>(undefined)
  const failed = useSignal<ApiError | undefined>(undefined)
  const keys = data.value?.keys
  const act = async (work: () => Promise<unknown>) => {
    failed.value = undefined
    try {
      await work()
    } catch (thrown) {
      failed.value = thrown instanceof ApiError ? thrown : new ApiError(0, '')
    }
    reload()
  }
  const active = keys?.filter(({ state }) => state === 'active' || state === 'warning').length ?? 0
  return (
    <main id="main">
      <div class="head">
        <div>
          <h1>{t('keys')}</h1>
          <p class="lede">{sentences(keys && t('keysActive', active), t('keysLede'))}</p>
        </div>
        <div class="end">
          <Button look="main" icon="plus" onClick={() => (open.value = { dialog: 'create' })}>
            {t('createKey')}
          </Button>
        </div>
      </div>
      {failed.value && (
        <div class="after">
          <Note tone="bad" title={gatewayText(failed.value.message) || t('unreachable')} />
        </div>
      )}
      <PlanForOne />
      {error.value ? (
        <Failed what={t('keys')} error={error.value} again={reload} />
      ) : !keys ? (
        slow.value && <Placeholder />
      ) : keys.length === 0 ? (
        <NoKeys />
      ) : (
        <>
          <KeyTable keys={keys} onAct={act} onOpen={(dialog, key) => (open.value = { dialog, key })} />
          <p class="legend above">
            <span>
              <i class="accent-mark" />
              {t('spent')}
            </span>
            <span>
              <i class="hatch" />
              {t('reserved')}
            </span>
          </p>
        </>
      )}
      <Dialogs open={open} reload={reload} />
    </main>
  )
}

/** The dialog that is open. */
function Dialogs({ open, reload }: { open: Signal<Open | undefined>; reload: () => void }) {
  const shown = open.value
  const close = () => {
    open.value = undefined
    reload()
  }
  switch (shown?.dialog) {
    case undefined:
      return null
    case 'create':
      return (
        <KeyForm
          onClose={close}
          onSaved={(key) => {
            open.value = 'secret' in key ? { dialog: 'secret', key } : undefined
            reload()
          }}
        />
      )
    case 'limits':
      return <KeyForm before={shown.key} onClose={close} onSaved={close} />
    case 'secret':
      return <Secret made={shown.key} onClose={close} />
    case 'rotate':
      return (
        <Confirm
          title={t('rotateQuestion', shown.key.name)}
          text={t('rotateText')}
          action={t('rotate')}
          onClose={close}
          onConfirm={async () => {
            const key = await send<KeyWithSecret>('POST', `keys/${encodeURIComponent(shown.key.id)}/rotate`)
            open.value = { dialog: 'secret', key }
            reload()
          }}
        />
      )
    case 'reset':
      return (
        <Confirm
          title={t('resetQuestion', shown.key.name)}
          text={t('resetText')}
          action={t('resetBudget')}
          onClose={close}
          onConfirm={async () => {
            await send('POST', `keys/${encodeURIComponent(shown.key.id)}/reset`)
            close()
          }}
        />
      )
    case 'delete':
      return (
        <Confirm
          title={t('deleteQuestion', shown.key.name)}
          text={t('deleteText')}
          action={t('delete')}
          typed={shown.key.name}
          onClose={close}
          onConfirm={async () => {
            await send('DELETE', `keys/${encodeURIComponent(shown.key.id)}`)
            close()
          }}
        />
      )
  }
}

/** Says that a plan is for one person, and which upstreams keys for others can be bound to. */
function PlanForOne() {
  const plans = upstreams.value.filter((each) => each.for_one_person)
  const others = upstreams.value.filter(({ state, for_one_person }) => !for_one_person && state !== 'paused')
  if (plans.length === 0) return null
  return (
    <div class="after">
      <Note tone="warn" title={t('planForOne', plans.map(({ id }) => id).join(', '))}>
        {others.length > 0
          ? t(
              'planForOneElsewhere',
              others.map(({ id }) => id),
            )
          : t('planForOneNext')}
      </Note>
    </div>
  )
}
