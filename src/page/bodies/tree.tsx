import { useSignal } from '@preact/signals'
import { t } from '../i18n.ts'

interface TreeProps {
  name?: string
  value: unknown
  depth?: number
}

const openDepth = 2
/** Items that are shown of a long list before one asks for the rest. */
const firstItems = 100
const longText = 240

/** A value as a tree; branches are made when they are opened. */
export function Tree({ name, value, depth = 0 }: TreeProps) {
  const open = useSignal(depth < openDepth && sizeOf(value) <= firstItems)
  const all = useSignal(false)
  const label = name === undefined ? null : <span class="k">{name}</span>
  if (typeof value !== 'object' || value === null)
    return (
      <div>
        {label}
        {label && ': '}
        <Leaf value={value} />
      </div>
    )
  const entries = Object.entries(value)
  if (entries.length === 0)
    return (
      <div>
        {label}: {Array.isArray(value) ? '[]' : '{}'}
      </div>
    )
  const shown = all.value ? entries : entries.slice(0, firstItems)
  return (
    <details open={open.value} onToggle={(event) => (open.value = event.currentTarget.open)}>
      <summary>
        {label} <span class="c">{Array.isArray(value) ? t('items', entries.length) : t('fields', entries.length)}</span>
        {!open.value && <span class="c"> {preview(value)}</span>}
      </summary>
      {open.value && shown.map(([key, each]) => <Tree key={key} name={key} value={each} depth={depth + 1} />)}
      {open.value && shown.length < entries.length && (
        <div>
          <button type="button" class="link plain" onClick={() => (all.value = true)}>
            {t('showAll', entries.length)}
          </button>
        </div>
      )}
    </details>
  )
}

function Leaf({ value }: { value: unknown }) {
  const all = useSignal(false)
  const text = JSON.stringify(value)
  if (text === undefined || text.length <= longText || all.value) return <span class="pre">{text}</span>
  return (
    <>
      <span class="pre">{text.slice(0, longText)}…</span>{' '}
      <button type="button" class="link plain" onClick={() => (all.value = true)}>
        {t('showCharacters', text.length)}
      </button>
    </>
  )
}

const sizeOf = (value: unknown): number => (typeof value === 'object' && value ? Object.keys(value).length : 0)

function preview(value: object): string {
  const { role, type, name, content, text } = value as Record<string, unknown>
  const words = [role, type, name, typeof content === 'string' ? content : text].filter(
    (each) => typeof each === 'string',
  )
  return words.join(' ').slice(0, 80)
}
