import { useSignal } from '@preact/signals'
import type { Setup, Setups } from '../../admin/schema/setups.ts'
import type { System } from '../../admin/schema/system.ts'
import { useResource } from '../api/resource.ts'
import { t } from '../i18n.ts'
import { Code, Pick, Tabs } from './controls.tsx'

/** The tab for all other clients. */
const others = 'others'
/** Clients with a tab of their own: more would not fit into one line. */
const tabCount = 4

/** Whether clients need no key. */
function isOpen({ config }: System): boolean {
  return !config.some(({ name, value }) => ['AUTH_TOKEN', 'ANTHROPIC_API_KEY'].includes(name) && value !== undefined)
}

/** How to point clients at this gateway, as texts to copy. */
export function Connect() {
  const { data } = useResource<Setups>('setups')
  const { data: system } = useResource<System>('system')
  const chosen = useSignal('')
  const setups = data.value?.setups ?? []
  const setup = setups.find(({ client }) => client === chosen.value) ?? setups[0]
  if (!setup) return null
  const choiceOf = ({ client, label }: Setup) => ({ value: client, label })
  const [tabs, rest] = [setups.slice(0, tabCount), setups.slice(tabCount)]
  const first = rest[0]?.client ?? ''
  return (
    <>
      <div class="sec" id="connect">
        <h2>{t('connect')}</h2>
        {system.value && <span class="end">{t(isOpen(system.value) ? 'anyText' : 'anyKey')}</span>}
      </div>
      <Tabs
        label={t('client')}
        value={tabs.includes(setup) ? setup.client : others}
        choices={[...tabs.map(choiceOf), { value: others, label: t('otherClients') }]}
        onChoose={(client) => (chosen.value = client === others ? first : client)}
      >
        <p class="small two above">
          {rest.includes(setup) && (
            <>
              <Pick
                label={t('client')}
                value={setup.client}
                choices={rest.map(choiceOf)}
                onChoose={(client) => (chosen.value = client)}
              />{' '}
            </>
          )}
          {setup.command ? t('oneCommand') : t('byHand')}
        </p>
        {setup.command ? (
          <>
            <Code text={setup.command} />
            <details class="above" key={setup.client}>
              <summary class="small two">{t('orByHand')}</summary>
              <Code text={setup.text} />
            </details>
          </>
        ) : (
          <Code text={setup.text} />
        )}
      </Tabs>
    </>
  )
}
