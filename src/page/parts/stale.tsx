import { connectNow, lastMessageAt, now, retryAt } from '../api/live.ts'
import { clockTime, rough } from '../format.ts'
import { t } from '../i18n.ts'
import { Button } from './controls.tsx'
import { Note } from './states.tsx'

const staleAfterMs = 5_000

/** What is shown is old; the numbers stay. */
export function StaleLine() {
  const age = now.value - lastMessageAt.value
  if (age < staleAfterMs) return null
  const again = retryAt.value
  return (
    <div class="stale">
      <Note
        tone="warn"
        title={t('noWordFor', rough(age))}
        action={
          <Button look="s" onClick={connectNow}>
            {t('tryNow')}
          </Button>
        }
      >
        {t('shownIsFrom', clockTime(lastMessageAt.value))}{' '}
        {again === undefined ? '' : t('tryingAgainIn', rough(Math.max(0, again - now.value)))}
      </Note>
    </div>
  )
}
