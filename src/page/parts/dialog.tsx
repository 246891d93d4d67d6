import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { t } from '../i18n.ts'
import { Button } from './controls.tsx'

interface DialogProps {
  title: string
  onClose: () => void
  children: ComponentChildren
  footer?: ComponentChildren
  /** It has to be answered: neither Escape nor a click beside it closes it. */
  insist?: boolean
}

/** A question in front of the page. The focus goes back to where it came from. */
export function Dialog({ title, onClose, children, footer, insist }: DialogProps) {
  const box = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const before = document.activeElement
    box.current?.showModal()
    // The browser takes the first button, which closes what has just been opened.
    box.current?.querySelector<HTMLElement>('.body :is(input, select, textarea)')?.focus()
    return () => before instanceof HTMLElement && before.focus()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the dialog's own key
    <dialog
      ref={box}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        if (!insist) onClose()
      }}
      onClick={(event) => {
        if (event.target === box.current && !insist) onClose()
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {!insist && <Button icon="x" look="bare s sq" label={t('close')} onClick={onClose} />}
      </header>
      <div class="body">{children}</div>
      {footer && <footer>{footer}</footer>}
    </dialog>
  )
}
