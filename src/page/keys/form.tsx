import { useSignal } from '@preact/signals'
import type { Budget, KeyChange, KeyView, KeyWithSecret, NewKey, Prices } from '../../admin/schema/keys.ts'
import { ApiError, send } from '../api/client.ts'
import { upstreams as configured } from '../api/live.ts'
import { useResource } from '../api/resource.ts'
import { creditsOf, short } from '../format.ts'
import { say, t } from '../i18n.ts'
import { Button, Field, Pick } from '../parts/controls.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Note } from '../parts/states.tsx'

interface BudgetRow {
  limit: string
  unit: Budget['unit']
  window: string
}

const units: readonly Budget['unit'][] = ['usd', 'tokens', 'credits']
const windows = ['5h', 'day', 'week', 'month', 'total']

interface KeyFormProps {
  /** None makes a new one. */
  before?: KeyView
  onClose: () => void
  onSaved: (key: KeyView | KeyWithSecret) => void
}

/** Makes a key, or changes what one may do. */
export function KeyForm({ before, onClose, onSaved }: KeyFormProps) {
  const name = useSignal(before?.name ?? '')
  const models = useSignal(before?.models?.join(', ') ?? '')
  const upstreams = useSignal(before?.upstreams?.join(', ') ?? '')
  const dialects = useSignal(before?.dialects?.join(', ') ?? '')
  const servers = useSignal(before?.mcp_servers === undefined ? '' : before.mcp_servers.join(', ') || 'off')
  const rpm = useSignal(textOf(before?.rpm))
  const tpm = useSignal(textOf(before?.tpm))
  const parallel = useSignal(textOf(before?.parallel))
  const expires = useSignal(before?.expires_at === undefined ? '' : dateOf(before.expires_at))
  const budgets = useSignal<readonly BudgetRow[]>(
    before?.budgets.map(({ limit, unit, window }) => ({ limit: String(limit), unit, window })) ?? [],
  )
  const error = useSignal<ApiError | undefined>(undefined)
  const busy = useSignal(false)

  const save = async (event?: Event) => {
    event?.preventDefault()
    busy.value = true
    error.value = undefined
    const list = budgets.value.filter(({ limit }) => limit.trim() !== '')
    const wanted = {
      models: namesOf(models.value),
      upstreams: namesOf(upstreams.value),
      dialects: namesOf(dialects.value),
      mcp_servers: servers.value.trim() === 'off' ? [] : namesOf(servers.value),
      rpm: numberOf(rpm.value),
      tpm: numberOf(tpm.value),
      parallel: numberOf(parallel.value),
      budgets: list.length > 0 ? list.map(({ unit, limit, window }) => `${unit}:${limit.trim()}/${window}`) : undefined,
      expires_at: expires.value === '' ? undefined : endOf(expires.value),
    }
    try {
      if (before) {
        const change = { name: name.value.trim(), ...nulls(wanted) } satisfies KeyChange
        onSaved(await send<KeyView>('PATCH', `keys/${encodeURIComponent(before.id)}`, change))
      } else {
        const made = { name: name.value.trim(), ...wanted } satisfies NewKey
        onSaved(await send<KeyWithSecret>('POST', 'keys', made))
      }
    } catch (thrown) {
      error.value = thrown instanceof ApiError ? thrown : new ApiError(0, '')
    }
    busy.value = false
  }
  const wrong = (field: string) => (error.value?.param?.startsWith(field) ? say(error.value.message) : undefined)
  const elsewhere = error.value && !formFields.some((field) => error.value?.param?.startsWith(field))
  const input = (field: { value: string }, placeholder?: string) => (ids: object) => (
    <input
      {...ids}
      class="in"
      autocomplete="off"
      placeholder={placeholder}
      value={field.value}
      onInput={(event) => {
        field.value = event.currentTarget.value
      }}
    />
  )
  const changeBudget = (at: number, change: Partial<BudgetRow>) => {
    budgets.value = budgets.value.map((row, n) => (n === at ? { ...row, ...change } : row))
  }
  return (
    <Dialog
      title={before ? t('limitsOf', before.name) : t('createKey')}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button look="main" onClick={() => save()} disabled={busy.value || name.value.trim() === ''}>
            {t(before ? 'save' : 'create')}
          </Button>
        </>
      }
    >
      <form class="stack" onSubmit={save}>
        <Field label={t('name')} hint={t('nameHint')} error={wrong('name')}>
          {input(name)}
        </Field>
        <div class="pair">
          <Field label={t('models')} hint={t('modelsHint')} error={wrong('models')}>
            {input(models, t('all'))}
          </Field>
          <Field
            label={t('upstreams')}
            hint={configured.value.map(({ id }) => id).join(', ')}
            error={wrong('upstreams')}
          >
            {input(upstreams, t('all'))}
          </Field>
        </div>
        <div class="pair">
          <Field label={t('apis')} hint="openai-chat, anthropic-messages" error={wrong('dialects')}>
            {input(dialects, t('all'))}
          </Field>
          <Field label={t('mcpServers')} hint={t('mcpServersHint')} error={wrong('mcp_servers')}>
            {input(servers, t('all'))}
          </Field>
        </div>
        <div class="pair">
          <Field label={t('rpm')} error={wrong('rpm')}>
            {input(rpm, t('noLimit'))}
          </Field>
          <Field label={t('tpm')} error={wrong('tpm')}>
            {input(tpm, t('noLimit'))}
          </Field>
          <Field label={t('atATime')} error={wrong('parallel')}>
            {input(parallel, t('noLimit'))}
          </Field>
        </div>
        {budgets.value.map((row, n) => (
          <div class="pair" key={n}>
            <Field label={t('budget')} error={wrong(`budgets.${n}`) ?? (n === 0 ? wrong('budgets') : undefined)}>
              {(ids) => (
                <input
                  {...ids}
                  class="in"
                  placeholder="10, 500k, 2m"
                  value={row.limit}
                  onInput={(event) => changeBudget(n, { limit: event.currentTarget.value })}
                />
              )}
            </Field>
            <Field label={t('unit')}>
              {({ id }) => (
                <Pick
                  id={id}
                  value={row.unit}
                  choices={units.map((value) => ({ value, label: t(`unit_${value}`) }))}
                  onChoose={(unit) => changeBudget(n, { unit })}
                />
              )}
            </Field>
            <Field label={t('each')}>
              {({ id }) => (
                <Pick
                  id={id}
                  value={row.window}
                  choices={[...new Set([...windows, row.window])].map((value) => ({ value, label: windowName(value) }))}
                  onChoose={(window) => changeBudget(n, { window })}
                />
              )}
            </Field>
          </div>
        ))}
        <PriceHint budgets={budgets.value} models={models.value} />
        <div>
          <Button
            icon="plus"
            look="s"
            onClick={() => (budgets.value = [...budgets.value, { limit: '', unit: 'usd', window: 'month' }])}
          >
            {t('addBudget')}
          </Button>
        </div>
        <Field label={t('expires')} hint={t('expiresHint')} error={wrong('expires')}>
          {(ids) => (
            <input
              {...ids}
              class="in"
              type="date"
              value={expires.value}
              onInput={(event) => (expires.value = event.currentTarget.value)}
            />
          )}
        </Field>
        {error.value && elsewhere && <Note tone="bad" title={say(error.value.message) || t('unreachable')} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

/** What the first budget in money or credits comes to, for the first of the models whose price is known. */
function PriceHint({ budgets, models }: { budgets: readonly BudgetRow[]; models: string }) {
  const { data } = useResource<Prices>('prices')
  const budget = budgets.find(({ unit, limit }) => unit !== 'tokens' && (numberOf(limit) ?? 0) > 0)
  const amount = numberOf(budget?.limit ?? '') ?? 0
  const price = data.value?.prices.find(({ unit, model }) => unit === budget?.unit && isNamed(model, namesOf(models)))
  if (!budget || !price) return null
  const each = usualMix(price)
  if (!(each > 0) || !Number.isFinite(amount)) return null
  const spent = budget.unit === 'usd' ? `$${Number(amount.toPrecision(6))}` : `${creditsOf(amount)} ${t('cr')}`
  return <Note>{t('priceHint', spent, short((amount / each) * 1e6), price.model.toLowerCase())}</Note>
}

/** A million tokens of which a tenth is output, and half of the input cached. */
const usualMix = ({ input, cached, output }: Prices['prices'][number]): number =>
  0.45 * input + 0.45 * cached + 0.1 * output

function isNamed(model: string, names: readonly string[] | undefined): boolean {
  const matches = (name: string) =>
    new RegExp(
      `^${name
        .split('*')
        .map((piece) => piece.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
        .join('.*')}$`,
      'i',
    )
  return names === undefined || names.some((name) => matches(name).test(model))
}

const formFields = [
  ...['name', 'models', 'upstreams', 'dialects', 'mcp_servers', 'rpm', 'tpm', 'parallel', 'budgets', 'expires'],
]

export const windowName = (window: string): string =>
  window === 'day' || window === 'week' || window === 'month' || window === 'total' ? t(`window_${window}`) : window

const textOf = (value: number | undefined) => (value === undefined ? '' : String(value))

/** `2m` and `500k` are meant as such; anything else that is no number is refused by the gateway, which says so. */
function numberOf(text: string): number | undefined {
  const [, digits, unit] = /^([\d.]+)\s*([km]?)$/i.exec(text.trim()) ?? []
  if (text.trim() === '') return undefined
  return digits === undefined ? Number.NaN : Number(digits) * ({ k: 1e3, m: 1e6 }[unit?.toLowerCase() ?? ''] ?? 1)
}

function namesOf(text: string): string[] | undefined {
  const names = text.split(/[\s,，]+/).filter(Boolean)
  return names.length > 0 ? names : undefined
}

type Nulls<T> = { [Name in keyof T]-?: Exclude<T[Name], undefined> | null }

/** In a change `null` takes a limit away. */
function nulls<T extends object>(values: T): Nulls<T> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value ?? null])) as Nulls<T>
}

function dateOf(at: number): string {
  const date = new Date(at - new Date(at).getTimezoneOffset() * 60_000)
  return date.toISOString().slice(0, 10)
}

/** The last moment of the day, where the reader is. */
const endOf = (date: string): number => new Date(`${date}T23:59:59`).getTime()
