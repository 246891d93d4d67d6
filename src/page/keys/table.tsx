import type { Budget, KeyView } from '../../admin/schema/keys.ts'
import { send } from '../api/client.ts'
import { now } from '../api/live.ts'
import { creditsOf, day, dollars, moment, rough, short } from '../format.ts'
import { t } from '../i18n.ts'
import { Meter } from '../parts/amounts.tsx'
import { Menu } from '../parts/menu.tsx'
import { Dim, type Mark, Status } from '../parts/status.tsx'
import { href } from '../router.ts'
import { windowName } from './budget-fields.tsx'

/** What a row asks for that takes a dialog. */
export type KeyAction = 'limits' | 'rotate' | 'reset' | 'delete'

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
  onOpen: (dialog: KeyAction, key: KeyView) => void
}

/** Every key with its state, its limits and what is left of its budgets. */
export function KeyTable({ keys, onAct, onOpen }: KeyTableProps) {
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
            <td class="two mid">
              {key.models?.join(', ') ?? <Dim>{t('all')}</Dim>}
              {key.upstreams && <Dim> {t('atUpstreams', key.upstreams.join(', '))}</Dim>}
            </td>
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
      <Meter
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
  const open = (label: string, dialog: KeyAction) => ({ label, onChoose: () => onOpen(dialog, keyView) })
  const switchTo = () => onAct(() => send('PATCH', `keys/${encodeURIComponent(id)}`, { disabled: !disabled }))
  return (
    <Menu
      label={t('actionsFor', name)}
      items={[
        open(t('showLimits'), 'limits'),
        open(t('rotate'), 'rotate'),
        ...(budgets.length > 0 ? [open(t('resetBudget'), 'reset')] : []),
        { label: t(disabled ? 'enable' : 'disable'), onChoose: () => void switchTo() },
        { ...open(t('deleteEllipsis'), 'delete'), look: 'bad' },
      ]}
    />
  )
}
