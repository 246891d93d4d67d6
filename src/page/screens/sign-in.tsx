import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { ApiError, send } from '../api/client.ts'
import { gatewayText, sentences, t } from '../i18n.ts'
import { Button, Field } from '../parts/controls.tsx'
import { Note } from '../parts/states.tsx'

/** Asks for the operator's key. `left` is how many tries this minute still has, where the gateway has said so. */
export function SignInScreen({ left, onOpen }: { left?: number | undefined; onOpen: () => unknown }) {
  const token = useSignal('')
  const error = useSignal<string | undefined>(undefined)
  const busy = useSignal(false)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])

  const submit = async (event: Event) => {
    event.preventDefault()
    busy.value = true
    try {
      await send('POST', 'session', { token: token.value })
      await onOpen()
    } catch (thrown) {
      error.value = errorText(thrown)
      field.current?.select()
    }
    busy.value = false
  }
  return (
    <main id="main" class="narrow">
      <h1>{t('signIn')}</h1>
      <p class="lede after">{t('signInWith')}</p>
      <form class="stack" onSubmit={submit}>
        <Field
          label={t('operatorKey')}
          error={error.value}
          hint={left === undefined ? undefined : t('triesLeft', left)}
        >
          {(ids) => (
            <input
              {...ids}
              ref={field}
              class="in"
              type="password"
              autocomplete="current-password"
              value={token.value}
              onInput={(event) => (token.value = event.currentTarget.value)}
            />
          )}
        </Field>
        <div>
          <Button look="main" submit disabled={busy.value || token.value === ''}>
            {t('signIn')}
          </Button>
        </div>
      </form>
      <div class="below">
        <Note>{t('signInHelp')}</Note>
      </div>
    </main>
  )
}

function errorText(thrown: unknown): string {
  if (!(thrown instanceof ApiError) || thrown.status === 0) return t('unreachable')
  if (thrown.status === 429) return t('tooManyTries', thrown.retryAfter ?? 60)
  if (thrown.status !== 401) return gatewayText(thrown.message)
  const { attemptsLeft } = thrown
  return attemptsLeft === undefined ? t('notTheKey') : sentences(t('notTheKey'), t('triesLeft', attemptsLeft))
}
