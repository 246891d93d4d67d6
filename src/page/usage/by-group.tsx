import type { UsageSlot } from '../../admin/schema/usage.ts'
import { creditsOf, dollars, percent, short, whole } from '../format.ts'
import { t } from '../i18n.ts'
import { Segments } from '../parts/controls.tsx'
import { Dim, Unit } from '../parts/status.tsx'
import { setQuery } from '../router.ts'
import { sumsOf } from './sums.ts'

export const groups = ['model', 'key', 'client', 'upstream'] as const
export type Group = (typeof groups)[number]

/** The sums by model, key, client or upstream, the largest first. */
export function ByGroup({ slots, group }: { slots: readonly UsageSlot[]; group: Group }) {
  const names = [...new Set(slots.map((slot) => slot.group))]
  const rows = names
    .map((name) => ({ name, sums: sumsOf(slots.filter((slot) => slot.group === name)) }))
    .sort((a, b) => b.sums.input - a.sums.input)
  const most = Math.max(1, ...rows.map(({ sums }) => sums.input))
  return (
    <>
      <div class="sec">
        <h2>{t('by')}</h2>
        <Segments
          label={t('by')}
          look="s"
          value={group}
          choices={groups.map((value) => ({ value, label: t(`by_${value}`) }))}
          onChoose={(next: Group) => setQuery({ by: next === 'model' ? undefined : next })}
        />
      </div>
      <table class="t">
        <thead>
          <tr>
            <th>{t(group)}</th>
            <th class="n">{t('input')}</th>
            <th>
              <span class="sr">{t('share')}</span>
            </th>
            <th class="n">{t('cached')}</th>
            <th class="n">{t('output')}</th>
            <th class="n">{t('requests')}</th>
            <th class="n">{t('errors')}</th>
            <th class="n">{t('credits')}</th>
            <th class="n">{t('money')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, sums }) => (
            <tr key={name}>
              <td class="p1">{name || <Dim>{t('unknown')}</Dim>}</td>
              <td class="n p2">{short(sums.input)}</td>
              <td class="grow">
                <span class="tb">
                  <i style={{ '--w': `${((100 * sums.input) / most).toFixed(1)}%` }} />
                </span>
              </td>
              <td class="n">
                {percent(sums.cached, sums.input)}
                <Unit>%</Unit>
              </td>
              <td class="n">{short(sums.output)}</td>
              <td class="n">{whole(sums.requests)}</td>
              <td class="n">{whole(sums.errors)}</td>
              <td class={sums.credits === undefined ? 'n' : 'n p4'}>
                {sums.credits === undefined ? <Dim>–</Dim> : creditsOf(sums.credits)}
              </td>
              <td class="p3 only-phone">{t('requestsErrors', sums.requests, sums.errors)}</td>
              <td class={sums.usd === undefined || sums.credits !== undefined ? 'n' : 'n p4'}>
                {sums.usd === undefined ? <Dim>–</Dim> : `$${dollars(sums.usd)}`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}
