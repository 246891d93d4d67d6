import type { ComponentChildren } from 'preact'
import type { ApiError } from '../api/client.ts'
import { gatewayText, t } from '../i18n.ts'
import { Button } from './controls.tsx'

interface NoteProps {
  tone?: 'warn' | 'bad' | undefined
  title?: ComponentChildren
  children?: ComponentChildren
  action?: ComponentChildren
}

/** Something to know, in its place. */
export function Note({ tone, title, children, action }: NoteProps) {
  return (
    <div class={`note ${tone ?? ''}`} role={tone === 'bad' ? 'alert' : tone === 'warn' ? 'status' : undefined}>
      {tone && <i class={`g ${tone}`} />}
      <div>
        {title && <b class="b">{title}</b>} <span class="two">{children}</span>
      </div>
      {action}
    </div>
  )
}

/** An error: what failed, what still works, and one action. */
export function Failed({ what, error, again }: { what: string; error: ApiError; again: () => void }) {
  return (
    <Note
      tone="bad"
      title={t('couldNotRead', what)}
      action={
        <Button look="s" onClick={again}>
          {t('tryAgain')}
        </Button>
      }
    >
      {error.status === 0 ? t('unreachable') : gatewayText(error.message)}
    </Note>
  )
}

/** An empty state: what is missing, and the next step. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <b>{title}</b>
      {children}
    </div>
  )
}

const widths = ['120px', '88px', '136px', '104px', '72px', '128px']

/** Placeholder rows that stand still, for what takes long. */
export function Placeholder({ rows = 6 }: { rows?: number }) {
  return (
    <table class="t" aria-busy="true" aria-label={t('loading')}>
      <tbody>
        {Array.from({ length: rows }, (_, row) => (
          <tr key={row}>
            <td class="p1 grow">
              <span class="bar" style={{ width: widths[row % widths.length] }} />
            </td>
            <td class="p2">
              <span class="bar" style={{ width: '40px' }} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
