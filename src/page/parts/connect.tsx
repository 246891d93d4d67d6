import { useSignal } from '@preact/signals'
import type { Now } from '../../admin/schema/now.ts'
import { t } from '../i18n.ts'
import { Code, Tabs } from './controls.tsx'

/** How clients are pointed at this gateway, to copy. */
export function Connect({ setups }: { setups: Now['setups'] }) {
  const chosen = useSignal(setups[0]?.client ?? '')
  const setup = setups.find(({ client }) => client === chosen.value) ?? setups[0]
  if (!setup) return null
  return (
    <>
      <div class="sec" id="connect">
        <h2>{t('connect')}</h2>
        <span class="end">{t('anyKey')}</span>
      </div>
      <Tabs
        label={t('client')}
        value={setup.client}
        choices={setups.map(({ client, label }) => ({ value: client, label }))}
        onChoose={(client) => (chosen.value = client)}
      >
        {setup.command ? (
          <>
            <p class="small two above">{t('oneCommand')}</p>
            <Code text={setup.command} />
            <details class="above" key={setup.client}>
              <summary class="small two">{t('orByHand')}</summary>
              <Code text={setup.text} />
            </details>
          </>
        ) : (
          <>
            <p class="small two above">{t('byHand')}</p>
            <Code text={setup.text} />
          </>
        )}
      </Tabs>
    </>
  )
}
