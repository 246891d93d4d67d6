import type { Prices } from '../../admin/schema/keys.ts'
import { useResource } from '../api/resource.ts'
import { creditsOf, short } from '../format.ts'
import { t } from '../i18n.ts'
import { Code } from '../parts/controls.tsx'
import { Note } from '../parts/states.tsx'
import { type BudgetDraft, namesIn, numberIn } from './draft.ts'

type Price = Prices['prices'][number]

interface BudgetPricesProps {
  budgets: readonly BudgetDraft[]
  /** What is typed in the field of models. */
  models: string
}

/**
 * How many tokens the first budget in dollars or credits pays for, and which models it refuses because they have no
 * price.
 */
export function BudgetPrices({ budgets, models }: BudgetPricesProps) {
  const { data } = useResource<Prices>('prices')
  const budget = budgets.find(({ unit, limit }) => unit !== 'tokens' && (numberIn(limit) ?? 0) > 0)
  const known = data.value
  if (!known || !budget) return null
  const allowed = allowedBy(namesIn(models))
  const prices = known.prices.filter(({ unit, model }) => unit === budget.unit && allowed(model))
  const unpriced = known.models.filter((model) => allowed(model) && !prices.some((price) => price.model === model))
  return (
    <>
      <Worth budget={budget} prices={prices} />
      {unpriced.length > 0 && (
        <Note title={t('priceUnknown', inShort(unpriced))}>
          {prices.length > 0 ? t('priceKnown', inShort(prices.map(({ model }) => model))) : t('noPriceKnown')}
        </Note>
      )}
      {unpriced[0] !== undefined && <Code text={rowOf(unpriced[0], budget.unit)} />}
    </>
  )
}

/** How many tokens of the first model the budget pays for. A free one says nothing about it. */
function Worth({ budget, prices }: { budget: BudgetDraft; prices: readonly Price[] }) {
  const amount = numberIn(budget.limit) ?? 0
  const price = prices.find((each) => usualMix(each) > 0)
  if (!price || !Number.isFinite(amount)) return null
  const spent = budget.unit === 'usd' ? `$${Number(amount.toPrecision(6))}` : `${creditsOf(amount)} ${t('cr')}`
  return <Note>{t('priceHint', spent, short((amount / usualMix(price)) * 1e6), price.model.toLowerCase())}</Note>
}

/** What zai2api.toml needs for a price. */
function rowOf(model: string, unit: BudgetDraft['unit']): string {
  const [member, amounts] =
    unit === 'usd' ? ['price', 'dollars for a million tokens'] : ['credits', 'for 10,000 tokens in peak hours']
  return `[[models]]\nid = "${model}"\n${member} = { input = 0, cached = 0, output = 0 }  # ${amounts}`
}

/** A million tokens of which a tenth is output, and half of the input cached. */
function usualMix({ input, cached, output }: Price): number {
  return 0.45 * input + 0.45 * cached + 0.1 * output
}

const shown = 3

function inShort(names: readonly string[]): string {
  const rest = names.length - shown
  return rest <= 1 ? names.join(', ') : t('andOthers', names.slice(0, shown).join(', '), rest)
}

/** Which models the typed names allow: all, where there are none. */
function allowedBy(names: readonly string[] | undefined): (model: string) => boolean {
  const patterns = names?.map((name) => new RegExp(`^${name.split('*').map(literally).join('.*')}$`, 'i'))
  return (model) => patterns === undefined || patterns.some((pattern) => pattern.test(model))
}

function literally(text: string): string {
  return text.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
}
