import { effect, signal } from '@preact/signals'

export type Language = 'en' | 'zh'
export type Scheme = 'light' | 'dark'

/** Storage may be refused to a page. */
function remembered(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(name, value)
  } catch {
    // It holds until the page is closed.
  }
}

const preferred = remembered('language') ?? navigator.language
export const language = signal<Language>(preferred.startsWith('zh') ? 'zh' : 'en')

const chosen = remembered('scheme')
/** None follows the system. */
const scheme = signal<Scheme | undefined>(chosen === 'light' || chosen === 'dark' ? chosen : undefined)

export function chooseLanguage(next: Language): void {
  language.value = next
  remember('language', next)
}

export function switchScheme(): void {
  const dark = scheme.value ? scheme.value === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  scheme.value = dark ? 'light' : 'dark'
  remember('scheme', scheme.value)
}

/** Places of columns in the list of requests that its reader does without. */
export const hiddenColumns = signal<readonly number[]>(
  (remembered('columns') ?? '')
    .split(',')
    .map(Number)
    .filter((place) => place > 0),
)

export function hideColumn(place: number, isHidden: boolean): void {
  const others = hiddenColumns.value.filter((each) => each !== place)
  hiddenColumns.value = isHidden ? [...others, place] : others
  remember('columns', hiddenColumns.value.join(','))
}

effect(() => {
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en'
})
effect(() => {
  if (scheme.value) document.documentElement.dataset.scheme = scheme.value
})
