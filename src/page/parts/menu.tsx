import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import { Icon, type IconName } from './icon.tsx'

export interface MenuItem {
  label: string
  onChoose: () => void
  /** `bad`: it cannot be undone. */
  look?: string
}

/** What else can be done with a row. Escape, a choice and a click elsewhere close it. */
export function Menu({ label, items }: { label: string; items: readonly MenuItem[] }) {
  const id = useId()
  return (
    <Popover id={id} label={label}>
      {items.map(({ label: text, onChoose, look }) => (
        <button
          key={text}
          type="button"
          class={look}
          onClick={() => {
            document.getElementById(id)?.hidePopover()
            onChoose()
          }}
        >
          {text}
        </button>
      ))}
    </Popover>
  )
}

interface PopoverProps {
  id: string
  label: string
  icon?: IconName
  look?: string
  children: ComponentChildren
}

/** A button, and what it opens. */
export function Popover({ id, label, icon = 'more', look = 'bare s sq', children }: PopoverProps) {
  return (
    <>
      <button
        type="button"
        class={`btn ${look}`}
        aria-label={label}
        title={label}
        popovertarget={id}
        onClick={(event) => place(id, event.currentTarget)}
      >
        <Icon name={icon} />
      </button>
      <div class="menu" id={id} popover="auto">
        {children}
      </div>
    </>
  )
}

/** Places the menu under its button. On a phone the style sheet puts it at the bottom, in reach of the thumb. */
function place(menu: string, button: HTMLElement): void {
  const box = document.getElementById(menu)
  if (!box || innerWidth <= 760) return
  const { bottom, right } = button.getBoundingClientRect()
  box.style.setProperty('position', 'fixed')
  box.style.setProperty('inset', `${Math.min(bottom + 4, innerHeight - 190)}px ${innerWidth - right}px auto auto`)
}
