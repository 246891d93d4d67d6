import { useSignal } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { useId } from 'preact/hooks'
import { t } from '../i18n.ts'
import { Icon, type IconName } from './icon.tsx'

interface ButtonProps {
  onClick?: () => unknown
  children?: ComponentChildren
  icon?: IconName
  /** `main`, `bare`, `s` for small, `sq` for square */
  look?: string
  /** Where the button shows an icon alone. */
  label?: string
  pressed?: boolean
  disabled?: boolean
  submit?: boolean
}

export function Button({ onClick, children, icon, look = '', label, pressed, disabled, submit }: ButtonProps) {
  return (
    <button
      type={submit ? 'submit' : 'button'}
      class={`btn ${look}`}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  )
}

/** Copies a text, and shows the result in the button for two seconds. */
export function CopyButton({ text, children, look = 'bare s sq' }: CopyProps) {
  const outcome = useSignal<'' | 'done' | 'failed'>('')
  const copy = async () => {
    try {
      await copyText(typeof text === 'string' ? text : await text())
      outcome.value = 'done'
    } catch {
      outcome.value = 'failed'
    }
    setTimeout(() => (outcome.value = ''), 2000)
  }
  const word = outcome.value === '' ? '' : t(outcome.value === 'done' ? 'copied' : 'notCopied')
  return (
    <button
      type="button"
      class={`btn ${word ? look.replace(/\bsq\b/, '') : look}`}
      aria-label={word || (children ? undefined : t('copy'))}
      title={children ? undefined : t('copy')}
      onClick={copy}
    >
      {word ? (
        <b class="b acc" role="status">
          {word}
        </b>
      ) : (
        <>
          <Icon name="copy" />
          {children}
        </>
      )}
    </button>
  )
}

interface CopyProps {
  text: string | (() => string | Promise<string>)
  children?: ComponentChildren
  look?: string
}

/** Browsers keep the clipboard from pages that came over plain HTTP from another machine. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'sr'
  document.body.append(field)
  field.select()
  const copied = document.execCommand('copy')
  field.remove()
  if (!copied) throw new Error('not copied')
}

/** Code to copy. `children` is what is shown of it, where that is not all. */
export function Code({ text, children }: { text: CopyProps['text']; children?: ComponentChildren }) {
  return (
    <div class="code">
      <CopyButton text={text} />
      <pre>{children ?? (typeof text === 'string' ? text : '')}</pre>
    </div>
  )
}

interface Choice<Value extends string> {
  value: Value
  label: ComponentChildren
  /** Not on a phone. */
  wide?: boolean
}

interface ChoiceProps<Value extends string> {
  label: string
  value: Value
  choices: readonly Choice<Value>[]
  onChoose: (value: Value) => void
  look?: string
}

/** A row of buttons of which one is pressed. */
export function Segments<Value extends string>({ label, value, choices, onChoose, look = '' }: ChoiceProps<Value>) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would bring a border and a legend of its own
    <div class={`seg ${look}`} role="group" aria-label={label}>
      {choices.map((choice) => (
        <button
          key={choice.value}
          type="button"
          class={choice.wide ? 'not-phone' : undefined}
          aria-pressed={choice.value === value}
          onClick={() => onChoose(choice.value)}
        >
          {choice.label}
        </button>
      ))}
    </div>
  )
}

/** Tabs as WAI-ARIA has them: one tab stop, arrows move. `children` is the panel. */
export function Tabs<Value extends string>(props: ChoiceProps<Value> & { children: ComponentChildren }) {
  const { label, value, choices, onChoose, look = 'tabs scrolls', children } = props
  const id = useId()
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step === undefined) return
    const at = choices.findIndex((choice) => choice.value === value)
    const next = choices[(at + step + choices.length) % choices.length]
    if (!next) return
    event.preventDefault()
    onChoose(next.value)
    document.getElementById(`${id}-${next.value}`)?.focus()
  }
  return (
    <>
      <div class={look} role="tablist" aria-label={label} onKeyDown={move}>
        {choices.map((choice) => (
          <button
            key={choice.value}
            id={`${id}-${choice.value}`}
            type="button"
            role="tab"
            aria-selected={choice.value === value}
            aria-controls={`${id}-panel`}
            tabIndex={choice.value === value ? 0 : -1}
            onClick={() => onChoose(choice.value)}
          >
            {choice.label}
          </button>
        ))}
      </div>
      <div id={`${id}-panel`} role="tabpanel" aria-labelledby={`${id}-${value}`}>
        {children}
      </div>
    </>
  )
}

interface FieldProps {
  label: string
  hint?: string | undefined
  error?: string | undefined
  children: (ids: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean }) => JSX.Element
}

export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId()
  const below = error ?? hint
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': below ? `${id}-b` : undefined, 'aria-invalid': error !== undefined })}
      {below && (
        <span id={`${id}-b`} class={error ? 'small bad' : 'hint'} role={error ? 'alert' : undefined}>
          {below}
        </span>
      )}
    </div>
  )
}

interface PickProps<Value extends string> {
  value: Value
  choices: readonly { value: Value; label: string }[]
  onChoose: (value: Value) => void
  /** In front of the value, inside the control. */
  prefix?: string
  /** For a control without a visible label. */
  label?: string
  id?: string
}

export function Pick<Value extends string>({ value, choices, onChoose, prefix, label, id }: PickProps<Value>) {
  return (
    <span class={id ? 'pick in' : 'pick'}>
      {prefix && <span>{prefix}</span>}
      <select
        id={id}
        aria-label={label ?? prefix}
        value={value}
        onChange={(event) => onChoose(event.currentTarget.value as Value)}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value} selected={choice.value === value}>
            {choice.label}
          </option>
        ))}
      </select>
    </span>
  )
}
