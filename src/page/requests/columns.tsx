import { useId } from 'preact/hooks'
import { type TextName, t } from '../i18n.ts'
import { Popover } from '../parts/menu.tsx'
import { hiddenColumns, hideColumn } from '../settings.ts'

/** Columns that a reader may do without, by their place in the table. */
const columns = {
  ...{ 3: 'key', 4: 'api', 6: 'upstream', 8: 'wait', 9: 'firstShort', 11: 'timing', 12: 'tokensPerSecond' },
  ...{ 13: 'inShort', 14: 'cached', 15: 'outShort', 16: 'thought', 17: 'cost', 18: 'notes' },
} as const satisfies Record<number, TextName>

/** Classes of the table that hide what was chosen. */
export const hidingClasses = (): string => hiddenColumns.value.map((place) => `no-${place}`).join(' ')

/** Which columns the list has, as far as the window has room for them. */
export function ColumnChoice() {
  const id = useId()
  return (
    <span class="not-phone">
      <Popover id={id} label={t('columns')} icon="columns" look="sq">
        {Object.entries(columns).map(([place, name]) => (
          <label key={place} class="check">
            <input
              type="checkbox"
              checked={!hiddenColumns.value.includes(Number(place))}
              onChange={({ currentTarget }) => hideColumn(Number(place), !currentTarget.checked)}
            />
            {t(name)}
          </label>
        ))}
      </Popover>
    </span>
  )
}
