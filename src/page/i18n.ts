import { effect, signal } from '@preact/signals'
import { language } from './settings.ts'
import { texts } from './texts/index.ts'

type Texts = typeof texts
/** A text of the page by its name. */
export type TextName = keyof Texts
type Arguments<Name extends TextName> = Texts[Name][0] extends (...values: infer Values) => string ? Values : []

/** A text in the reader's language. */
export function t<Name extends TextName>(name: Name, ...values: Arguments<Name>): string {
  const text: unknown = texts[name][language.value === 'zh' ? 1 : 0]
  return typeof text === 'function' ? text(...values) : String(text)
}

/** Sentences one behind the other. Chinese ones have no space between them. */
export function sentences(...each: readonly (string | false | undefined)[]): string {
  return each.filter(Boolean).join(language.value === 'zh' ? '' : ' ')
}

const translate = signal<typeof import('./gateway-texts/index.ts') | undefined>(undefined)
effect(() => {
  if (language.value === 'zh' && !translate.peek())
    import('./gateway-texts/index.ts').then(
      (loaded) => {
        translate.value = loaded
      },
      // Then they stay in English.
      () => {},
    )
})

/** A sentence of the gateway itself in the reader's language, as far as it is known there. */
export function gatewayText(sentence: string): string {
  return language.value === 'zh' && translate.value ? translate.value.inChinese(sentence) : sentence
}

/** What a setting is for, in the reader's language. */
export function settingText(setting: string, about: string): string {
  return (language.value === 'zh' && translate.value?.settingTexts[setting]) || about
}
