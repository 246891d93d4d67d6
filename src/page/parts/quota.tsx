import type { Quota } from '../../admin/schema/upstreams.ts'
import { now } from '../api/live.ts'
import { moment, rough, whole } from '../format.ts'
import { t } from '../i18n.ts'
import { Meter } from './amounts.tsx'
import { Dim } from './status.tsx'

/** What is left of a plan, a meter for each of its limits. */
export function QuotaMeters({ quota }: { quota: Quota }) {
  return (
    <div class="stack">
      {quota.limits.map((limit) => {
        const { window, used, total, left, used_percent, resets_at } = limit
        const name = window ? t('window', window.count, window.unit) : limit.kind
        const share =
          used_percent !== undefined ? used_percent / 100 : total ? (used ?? total - (left ?? total)) / total : 0
        const look = share >= 1 ? 'bad' : share >= 0.8 ? 'warn' : ''
        return (
          <div class="meter" key={limit.kind + name}>
            <span>
              {name} {limit.kind !== 'credits' && <Dim>{limit.kind}</Dim>}
            </span>
            <span>
              {left !== undefined && total !== undefined ? (
                <>
                  <b class="b">{whole(left)}</b> <span class="two">{t('ofLeft', whole(total))}</span>
                </>
              ) : (
                <b class="b">{t('percentUsed', Math.round(share * 100))}</b>
              )}
            </span>
            <Meter label={name} portions={[{ share, look }]} />
            {resets_at !== undefined && (
              <small>{t('resetsIn', moment(resets_at, now.value), rough(resets_at - now.value))}</small>
            )}
          </div>
        )
      })}
    </div>
  )
}
