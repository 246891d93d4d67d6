import { useSignal } from '@preact/signals'
import type { Budget, KeyList, KeyView, KeyWithSecret } from '../../admin/schema/keys.ts'
import { ApiError, send } from '../api/client.ts'
import { now } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { creditsOf, day, dollars, moment, rough, short } from '../format.ts'
import { t } from '../i18n.ts'
import { KeyForm, windowName } from '../keys/form.tsx'
import { Bar } from '../parts/amounts.tsx'
import { Button, Code, Field } from '../parts/controls.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Icon } from '../parts/icon.tsx'
import { Dim, type Mark, Status } from '../parts/mark.tsx'
import { Empty, Failed, Note, Placeholder } from '../parts/states.tsx'
import { href, root } from '../router.ts'

type Open =
  | { dialog: 'create' }
  | { dialog: 'limits' | 'rotate' | 'reset' | 'delete'; key: KeyView }
  | { dialog: 'secret'; key: KeyWithSecret }

/** Who may spend how much. */
export function KeysScreen() {
  const { data, error, slow, reload } = useResource<KeyList>('keys', 5_000)
  const open = useSignal<Open | undefined>(undefined)
  const failed = useSignal<ApiError | undefined>(undefined)
  const keys = data.value?.keys
  const close = () => {
    open.value = undefined
    reload()
  }
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
  const shown = open.value
  return (
    <main id="main">
      <div class="head">
        <div>
          <h1>{t('keys')}</h1>
          <p class="lede">{keys ? `${t('keysActive', active)} ${t('keysLede')}` : t('keysLede')}</p>
        </div>
        <div class="end">
          <Button look="main" icon="plus" onClick={() => (open.value = { dialog: 'create' })}>
            {t('createKey')}
          </Button>
        </div>
      </div>
      {failed.value && (
        <div class="after">
          <Note tone="bad" title={failed.value.message || t('unreachable')} />
        </div>
      )}
      <div class="after">
        <Note tone="warn" title={t('planForOne')}>
          {t('planForOneNext')}
        </Note>
      </div>
      {error.value ? (
        <Failed what={t('keys')} error={error.value} again={reload} />
      ) : !keys ? (
        slow.value && <Placeholder />
      ) : keys.length === 0 ? (
        <Empty title={t('noKeys')}>
          {t('noKeysNext')} <code class="m">zai2api key create --name laptop</code>
        </Empty>
      ) : (
        <>
          <KeyTable keys={keys} onAct={act} onOpen={(next) => (open.value = next)} />
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
      {shown?.dialog === 'create' && (
        <KeyForm
          onClose={close}
          onSaved={(key) => {
            open.value = 'secret' in key ? { dialog: 'secret', key } : undefined
            reload()
          }}
        />
      )}
      {shown?.dialog === 'limits' && <KeyForm before={shown.key} onClose={close} onSaved={close} />}
      {shown?.dialog === 'secret' && <Secret made={shown.key} onClose={close} />}
      {shown?.dialog === 'rotate' && (
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
      )}
      {shown?.dialog === 'reset' && (
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
      )}
      {shown?.dialog === 'delete' && (
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
      )}
    </main>
  )
}

const marks: Record<KeyView['state'], Mark> = {
  active: '',
  warning: 'warn',
  used_up: 'bad',
  expired: 'bad',
  disabled: 'off',
}

interface KeyTableProps {
  keys: readonly KeyView[]
  onAct: (work: () => Promise<unknown>) => Promise<void>
  onOpen: (open: Open) => void
}

function KeyTable({ keys, onAct, onOpen }: KeyTableProps) {
  return (
    <table class="t">
      <thead>
        <tr>
          <th>{t('key')}</th>
          <th>{t('state')}</th>
          <th class="mid">{t('models')}</th>
          <th class="mid">{t('limits')}</th>
          <th>{t('budget')}</th>
          <th class="n">{t('lastUsed')}</th>
          <th>
            <span class="sr">{t('actions')}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => (
          <tr key={key.id}>
            <td class={key.disabled ? 'p1 dim' : 'p1'}>
              <a class="b" href={href(`requests?key=${encodeURIComponent(key.id)}`)}>
                {key.name}
              </a>{' '}
              <span class="m dim">{key.prefix}…</span>
            </td>
            <td class="p2">
              <Status mark={marks[key.state]}>{t(`key_${key.state}`)}</Status>
            </td>
            <td class="two mid">{key.models?.join(', ') ?? <Dim>{t('all')}</Dim>}</td>
            <td class="two mid">{limitsOf(key) || <Dim>{t('none')}</Dim>}</td>
            <td class="p5 grow">
              {key.budgets.length === 0 ? (
                <Dim>{t('none')}</Dim>
              ) : (
                key.budgets.map((budget) => <BudgetBar key={budget.unit + budget.window} budget={budget} />)
              )}
              {key.expires_at !== undefined && <small class="dim">{t('expiresOn', day(key.expires_at))}</small>}
            </td>
            <td class="n two">{key.last_used_at === undefined ? <Dim>{t('never')}</Dim> : ago(key.last_used_at)}</td>
            <td class="n">
              <Actions keyView={key} onAct={onAct} onOpen={onOpen} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function ago(at: number): string {
  const ms = now.value - at
  if (ms < 60_000) return t('justNow')
  return ms < 3_600_000 ? t('ago', rough(ms)) : moment(at, now.value)
}

function limitsOf({ rpm, tpm, parallel }: KeyView): string {
  return [
    parallel === undefined ? '' : t('parallelLimit', parallel),
    rpm === undefined ? '' : `${short(rpm)} rpm`,
    tpm === undefined ? '' : `${short(tpm)} tpm`,
  ]
    .filter(Boolean)
    .join(', ')
}

function amountOf(amount: number, unit: Budget['unit']): string {
  if (unit === 'usd') return `$${amount === 0 ? '0' : dollars(amount)}`
  return unit === 'tokens' ? short(amount) : creditsOf(amount)
}

function BudgetBar({ budget }: { budget: Budget }) {
  const { unit, limit, spent, reserved, window, resets_at } = budget
  const share = limit > 0 ? spent / limit : 1
  const look = share >= 1 ? 'bad' : share >= 0.8 ? 'warn' : ''
  const held = limit > 0 ? reserved / limit : 0
  return (
    <span class="bud">
      <span>
        {amountOf(spent, unit)}{' '}
        <Dim>
          {t('ofLimit', `${amountOf(limit, unit)}${unit === 'usd' ? '' : ` ${t(unit === 'tokens' ? 'tok' : 'cr')}`}`)}
        </Dim>
      </span>
      <small class="dim">
        {resets_at === undefined ? windowName(window) : t('resetsAt', moment(resets_at, now.value))}
      </small>
      <Bar
        label={t('budgetUsed')}
        portions={[
          { share, look },
          ...(held > 0
            ? [{ share: Math.max(0.02, Math.min(held, 1 - share)), look: 'held', title: t('reserved') }]
            : []),
        ]}
      />
    </span>
  )
}

function Actions({ keyView, onAct, onOpen }: { keyView: KeyView } & Omit<KeyTableProps, 'keys'>) {
  const { id, name, disabled, budgets } = keyView
  const menu = `act-${id}`
  const item = (label: string, work: () => void, look = '') => (
    <button
      type="button"
      class={look}
      onClick={() => {
        document.getElementById(menu)?.hidePopover()
        work()
      }}
    >
      {label}
    </button>
  )
  return (
    <>
      <button
        type="button"
        class="btn bare s sq"
        aria-label={t('actionsFor', name)}
        popovertarget={menu}
        onClick={(event) => place(menu, event.currentTarget)}
      >
        <Icon name="more" />
      </button>
      <div class="menu" id={menu} popover="auto">
        {item(t('showLimits'), () => onOpen({ dialog: 'limits', key: keyView }))}
        {item(t('rotate'), () => onOpen({ dialog: 'rotate', key: keyView }))}
        {budgets.length > 0 && item(t('resetBudget'), () => onOpen({ dialog: 'reset', key: keyView }))}
        {item(t(disabled ? 'enable' : 'disable'), () =>
          onAct(() => send('PATCH', `keys/${encodeURIComponent(id)}`, { disabled: !disabled })),
        )}
        {item(t('deleteEllipsis'), () => onOpen({ dialog: 'delete', key: keyView }), 'bad')}
      </div>
    </>
  )
}

/** Under its button; on a phone the style sheet puts it at the thumb. */
function place(menu: string, button: HTMLElement): void {
  const box = document.getElementById(menu)
  if (!box || innerWidth <= 760) return
  const { bottom, right } = button.getBoundingClientRect()
  box.style.setProperty('position', 'fixed')
  box.style.setProperty('inset', `${Math.min(bottom + 4, innerHeight - 190)}px ${innerWidth - right}px auto auto`)
}

function Secret({ made, onClose }: { made: KeyWithSecret; onClose: () => void }) {
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
  /** Has to be typed, since what is done cannot be undone. */
  typed?: string
  onClose: () => void
  onConfirm: () => Promise<void>
}

function Confirm({ title, text, action, typed, onClose, onConfirm }: ConfirmProps) {
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
      {error.value && <Note tone="bad" title={error.value.message || t('unreachable')} />}
    </Dialog>
  )
}
