import type { Now } from '../../admin/schema/now.ts'
import { now } from '../api/live.ts'
import { moment } from '../format.ts'
import { gatewayText, t } from '../i18n.ts'
import { Code } from '../parts/controls.tsx'
import { upstreamMarks } from '../parts/upstream-words.ts'

/** Whether no upstream can be asked, and no request of the last hour was answered. */
export function needsUpstream({ ready, last_hour, credentials }: Now): boolean {
  return !ready && last_hour.requests === last_hour.errors && credentials.ready === 0
}

/** Shows the next missing step. The state is polled, so the page moves on by itself. */
export function FirstRun({ now: state }: { now: Now }) {
  return (
    <main id="main" class="narrow">
      <h1>{t('oneThingMissing')}</h1>
      <p class="lede after">{t('nobodyToAsk', state.base_urls.anthropic)}</p>
      <ol class="steps">
        <li>
          <span class="no">1</span>
          <div>
            <h2>
              {t('anApiKey')} <span class="badge">{t('recommended')}</span>
            </h2>
            <p class="two">
              {t('apiKeyFrom')}{' '}
              <a class="link" href="https://z.ai/manage-apikey" target="_blank" rel="noreferrer">
                z.ai/manage-apikey
              </a>
              . {t('apiKeyWorks')}
            </p>
            <Code text="ZAI_API_KEY=your-key zai2api">
              ZAI_API_KEY=<span class="k">your-key</span> zai2api
            </Code>
            <p class="small dim">{t('forGood')}</p>
          </div>
        </li>
        <li>
          <span class="no">2</span>
          <div>
            <h2>{t('yourAccount')}</h2>
            <p class="two">{t('accountHow')}</p>
            <Code text="ZAI_TOKEN=your-token zai2api">
              ZAI_TOKEN=<span class="k">your-token</span> zai2api
            </Code>
          </div>
        </li>
        <li>
          <span class="no">3</span>
          <div>
            <h2>{t('demoModel')}</h2>
            <p class="two">{t('demoHow')}</p>
            <Code text="zai2api demo" />
          </div>
        </li>
      </ol>
      <div class="sec">
        <h2>{t('whatWasTried')}</h2>
        <span class="end">{moment(state.at, now.value, true)}</span>
      </div>
      <ul class="line-list">
        {state.upstreams.map((upstream) => (
          <li key={upstream.id}>
            <span class="st">
              <i class={`g ${upstreamMarks[upstream.state]}`} />
              {upstream.id} <span class="dim">{gatewayText(upstream.label)}</span>
            </span>
            <span />
            <span class="l2">{gatewayText(upstream.text)}</span>
          </li>
        ))}
        {state.reason && (
          <li>
            <span class="st">
              <i class="g bad" />
              {state.code}
            </span>
            <span />
            <span class="l2">
              {gatewayText(state.reason)} {state.remedy && gatewayText(state.remedy)}
            </span>
          </li>
        )}
      </ul>
    </main>
  )
}
