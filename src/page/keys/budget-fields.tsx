import type { Signal } from '@preact/signals'
import type { Budget } from '../../admin/schema/keys.ts'
import { t } from '../i18n.ts'
import { Button, Field, Pick } from '../parts/controls.tsx'
import type { BudgetDraft } from './draft.ts'

const units: readonly Budget['unit'][] = ['usd', 'tokens', 'credits']
const windows = ['5h', 'day', 'week', 'month', 'total']

interface BudgetFieldsProps {
  budgets: Signal<readonly BudgetDraft[]>
  /** The error about a member: `budgets` for all of them, `budgets.1` for the second one. */
  errorOf: (member: string) => string | undefined
}

/** A row of fields for each budget. */
export function BudgetFields({ budgets, errorOf }: BudgetFieldsProps) {
  const change = (at: number, part: Partial<BudgetDraft>) => {
    budgets.value = budgets.value.map((row, n) => (n === at ? { ...row, ...part } : row))
  }
  return budgets.value.map(({ limit, unit, window }, n) => (
    <div class="pair" key={n}>
      <Field label={t('budget')} error={errorOf(`budgets.${n}`) ?? (n === 0 ? errorOf('budgets') : undefined)}>
        {(ids) => (
          <input
            {...ids}
            class="in"
            placeholder="10, 500k, 2m"
            value={limit}
            onInput={(event) => change(n, { limit: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field label={t('unit')}>
        {({ id }) => (
          <Pick
            id={id}
            value={unit}
            choices={units.map((value) => ({ value, label: t(`unit_${value}`) }))}
            onChoose={(chosen) => change(n, { unit: chosen })}
          />
        )}
      </Field>
      <Field label={t('each')}>
        {({ id }) => (
          <Pick
            id={id}
            value={window}
            choices={[...new Set([...windows, window])].map((value) => ({ value, label: windowName(value) }))}
            onChoose={(chosen) => change(n, { window: chosen })}
          />
        )}
      </Field>
    </div>
  ))
}

export function AddBudget({ budgets }: Pick<BudgetFieldsProps, 'budgets'>) {
  const add = () => {
    budgets.value = [...budgets.value, { limit: '', unit: 'usd', window: 'month' }]
  }
  return (
    <div>
      <Button icon="plus" look="s" onClick={add}>
        {t('addBudget')}
      </Button>
    </div>
  )
}

export function windowName(window: string): string {
  return window === 'day' || window === 'week' || window === 'month' || window === 'total'
    ? t(`window_${window}`)
    : window
}
