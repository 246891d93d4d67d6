/** A text of the page in English and in Chinese. */
export type Text = readonly [en: string, zh: string]
/** A text with values in it, in both languages. */
export type Sentence = readonly [en: (...values: never[]) => string, zh: (...values: never[]) => string]
export type Value = string | number
