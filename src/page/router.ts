import { computed, signal } from '@preact/signals'

/** The root of the gateway as the browser sees it: `/`, or the prefix of a proxy. Scripts lie one folder below it. */
export const root = new URL('../', import.meta.url).pathname

const address = signal(read())
/** `/requests/req_1` */
export const path = computed(() => address.value.path)
/** The query of the address. */
export const query = computed(() => new URLSearchParams(address.value.search))

function read() {
  const { pathname, search } = location
  return { path: `/${pathname.slice(root.length)}`.replace(/(.)\/$/, '$1'), search }
}

/** The address of a place of the page. */
export function href(to: string): string {
  return root + to.replace(/^\//, '')
}

/** Shows another place. It begins at its top; going back restores where the reader was. */
export function navigate(to: string): void {
  history.replaceState({ y: scrollY }, '')
  history.pushState({ y: 0 }, '', href(to))
  address.value = read()
  scrollTo(0, 0)
}

/** Changes the query of the address without adding a step to the history. `undefined` removes a parameter. */
export function setQuery(change: Record<string, string | undefined>): void {
  const next = new URLSearchParams(location.search)
  for (const [name, value] of Object.entries(change))
    if (value === undefined || value === '') next.delete(name)
    else next.set(name, value)
  const search = next.toString()
  history.replaceState({ y: scrollY }, '', location.pathname + (search && `?${search}`))
  address.value = read()
}

/** Links to screens of the page are handled here without loading it again. All other links are left to the browser. */
export function followLinks(isPlace: (path: string) => boolean): void {
  history.scrollRestoration = 'manual'
  window.addEventListener('popstate', ({ state }) => {
    address.value = read()
    const y = typeof state?.y === 'number' ? state.y : 0
    requestAnimationFrame(() => requestAnimationFrame(() => scrollTo(0, y)))
  })
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (!link.pathname.startsWith(root)) return
    const to = `/${link.pathname.slice(root.length)}`
    if (!isPlace(to)) return
    // A link to a part of this place is the browser's.
    if (link.hash && link.pathname === location.pathname) return
    event.preventDefault()
    navigate(to + link.search)
  })
}
