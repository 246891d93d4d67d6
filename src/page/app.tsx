import { useSignal } from '@preact/signals'
import type { FunctionComponent } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Operator } from '../admin/schema/sign-in.ts'
import { type ApiError, get, locked } from './api/client.ts'
import { ready, startLive } from './api/live.ts'
import { type TextName, t } from './i18n.ts'
import { Icon, type IconName } from './parts/icon.tsx'
import { onDemand } from './parts/on-demand.tsx'
import { Shortcuts } from './parts/shortcuts.tsx'
import { StaleLine } from './parts/stale.tsx'
import { Failed } from './parts/states.tsx'
import { followLinks, href, path } from './router.ts'
import { NowScreen } from './screens/now.tsx'
import { RequestsScreen } from './screens/requests.tsx'
import { chooseLanguage, language, switchScheme } from './settings.ts'

const RequestScreen = onDemand(() => import('./screens/request.tsx').then((screen) => screen.RequestScreen))
const SessionsScreen = onDemand(() => import('./screens/agent-sessions.tsx').then((screen) => screen.SessionsScreen))
const SessionScreen = onDemand(() => import('./screens/agent-sessions.tsx').then((screen) => screen.SessionScreen))
const UsageScreen = onDemand(() => import('./screens/usage.tsx').then((screen) => screen.UsageScreen))
const KeysScreen = onDemand(() => import('./screens/keys.tsx').then((screen) => screen.KeysScreen))
const UpstreamsScreen = onDemand(() => import('./screens/upstreams.tsx').then((screen) => screen.UpstreamsScreen))
const TryScreen = onDemand(() => import('./screens/try.tsx').then((screen) => screen.TryScreen))
const SystemScreen = onDemand(() => import('./screens/system.tsx').then((screen) => screen.SystemScreen))
const SignInScreen = onDemand(() => import('./screens/sign-in.tsx').then((screen) => screen.SignInScreen))

interface Page {
  /** The first part of its address. */
  name: string
  title: TextName
  icon?: IconName
  screen: FunctionComponent
  /** What follows the name in the address. */
  inner?: FunctionComponent<{ id: string }>
}

const pages: readonly Page[] = [
  { name: '', title: 'now', icon: 'now', screen: NowScreen },
  { name: 'requests', title: 'requests', icon: 'list', screen: RequestsScreen, inner: RequestScreen },
  { name: 'sessions', title: 'sessions', icon: 'tree', screen: SessionsScreen, inner: SessionScreen },
  { name: 'usage', title: 'usage', icon: 'bars', screen: UsageScreen },
  { name: 'keys', title: 'keys', screen: KeysScreen },
  { name: 'upstreams', title: 'upstreams', screen: UpstreamsScreen },
  { name: 'try', title: 'try', screen: TryScreen },
  { name: 'system', title: 'system', screen: SystemScreen },
]

/** How many screens fit into the tab bar of a phone. */
const atThumb = 4

const pageAt = (address: string): Page | undefined => {
  const [, name = '', id] = address.split('/')
  return pages.find((page) => page.name === name && (id === undefined || page.inner))
}

followLinks((address) => pageAt(address) !== undefined)

export function App() {
  const page = pageAt(path.value)
  const asked = useSignal<'' | 'open' | 'failed'>('')
  const error = useSignal<ApiError | undefined>(undefined)
  const ask = () =>
    get<Operator>('session')
      .then(() => {
        locked.value = false
        asked.value = 'open'
        startLive()
      })
      .catch((thrown: ApiError) => {
        locked.value = thrown.status === 401
        error.value = thrown
        asked.value = 'failed'
      })
  useEffect(() => void ask(), [])
  const title = locked.value ? t('signIn') : page ? t(page.title) : ''
  useEffect(() => {
    document.title = title ? `${title} · zai2api` : 'zai2api'
  }, [title])

  if (locked.value)
    return (
      <>
        <Top page={undefined} bare />
        <SignInScreen left={error.value?.attemptsLeft} onOpen={ask} />
      </>
    )
  return (
    <>
      <a class="skip" href="#main">
        {t('skip')}
      </a>
      <Top page={page} />
      {asked.value === 'open' && <StaleLine />}
      {asked.value === 'open' ? (
        <Screen page={page} />
      ) : (
        <main id="main">{error.value && <Failed what={t('gateway')} error={error.value} again={ask} />}</main>
      )}
      <TabBar page={page} />
      <Shortcuts places={pages.map(({ name, title }) => ({ name, title }))} />
    </>
  )
}

function Screen({ page }: { page: Page | undefined }) {
  const id = path.value.split('/')[2]
  if (!page)
    return (
      <main id="main">
        <h1>{t('noPlace')}</h1>
        <p class="lede">
          <a class="link" href={href('')}>
            {t('now')}
          </a>
        </p>
      </main>
    )
  if (id !== undefined && page.inner) return <page.inner key={id} id={decodeURIComponent(id)} />
  return <page.screen />
}

function Top({ page, bare }: { page: Page | undefined; bare?: boolean }) {
  return (
    <header class="top">
      <a class="brand" href={href('')}>
        <svg
          width="16"
          height="16"
          viewBox="0 0 16 16"
          fill="none"
          stroke="currentColor"
          stroke-width="2"
          aria-hidden="true"
        >
          <path d="M2.5 3.5h11l-11 9h11" />
        </svg>
        zai2api
      </a>
      {!bare && (
        <nav class="nav" aria-label={t('places')}>
          {pages.map((each) => (
            <PageLink key={each.name} page={each} current={each === page} />
          ))}
        </nav>
      )}
      <div class="end">
        {!bare && ready.value !== undefined && (
          <a class="ready" href={href('')}>
            <i class={ready.value ? 'g' : 'g bad'} />
            {t(ready.value ? 'ready' : 'notReady')}
          </a>
        )}
        <button
          type="button"
          class="btn bare s"
          lang={language.value === 'zh' ? 'en' : 'zh-CN'}
          title={language.value === 'zh' ? 'Switch to English' : '切换到简体中文'}
          onClick={() => chooseLanguage(language.value === 'zh' ? 'en' : 'zh')}
        >
          {language.value === 'zh' ? 'EN' : '中文'}
        </button>
        <button
          type="button"
          class="btn bare s sq"
          aria-label={t('lightOrDark')}
          title={t('lightOrDark')}
          onClick={switchScheme}
        >
          <Icon name="sun" />
        </button>
      </div>
    </header>
  )
}

function PageLink({ page, current, icon }: { page: Page; current: boolean; icon?: boolean }) {
  return (
    <a href={href(page.name)} aria-current={current ? 'page' : undefined}>
      {icon && page.icon && <Icon name={page.icon} />}
      {t(page.title)}
    </a>
  )
}

/** The tab bar at the bottom of a phone. */
function TabBar({ page }: { page: Page | undefined }) {
  const more = pages.slice(atThumb)
  return (
    <>
      <nav class="tabbar" aria-label={t('places')}>
        {pages.slice(0, atThumb).map((each) => (
          <PageLink key={each.name} page={each} current={each === page} icon />
        ))}
        {more.length > 0 && (
          <button type="button" popovertarget="more" aria-current={page && more.includes(page) ? 'true' : undefined}>
            <Icon name="more" />
            {t('more')}
          </button>
        )}
      </nav>
      {more.length > 0 && (
        <div class="menu" id="more" popover="auto" key={path.value}>
          {more.map((each) => (
            <PageLink key={each.name} page={each} current={each === page} />
          ))}
        </div>
      )}
    </>
  )
}
