/**
 * Whether a text is what examples put where a key belongs: `sk-your-api-key`, `changeme`, `xxx`, `<key>`, `$AUTH_TOKEN`.
 * Everybody knows them, so they protect nothing. A weak key of one's own is none of them.
 */
export function isPlaceholder(text: string): boolean {
  const value = text.trim().replace(/^(["'`])(.*)\1$/, '$2')
  if (shapes.some((shape) => shape.test(value))) return true
  const bare = value.replace(/^bearer[ _-]+/i, '').replace(/^(?:(?:sk|ant|zai)-)+(?=.)/i, '')
  if (blank.test(bare)) return true
  const words = bare
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
  const [first = '', last = ''] = [words[0], words.at(-1)]
  return (
    wholes.has(words.join('')) ||
    words.some((word) => /^your(?!s$)/.test(word) || telling.has(word)) ||
    (words.length > 1 && orders.has(first)) ||
    (words.length > 1 && last === 'here')
  )
}

/** Variables that were not replaced by their value, and text in brackets. */
const shapes = [/^\$\{?\w+\}?$/, /^\$env:\w+$/i, /^%\w+%$/, /^(<.*>|\[.*\]|\{.*\}|\(.*\))$/]

/** `xxx`, `***`, `...`, `000000`, `xxxx-xxxx.xxxx`: three of the same, or nothing but x and what separates. */
const blank = /^(?:(.)\1{2,}|[x*._…-]{3,})$/iu

/** Whole values, without separators. */
const wholes = new Set([
  ...['apikey', 'apitoken', 'authtoken', 'accesstoken', 'secretkey', 'myapikey', 'yourkey', 'keyhere', 'tokenhere'],
  ...[
    'none',
    'null',
    'nil',
    'anything',
    'undefined',
    'todo',
    'tbd',
    'fixme',
    'example',
    'dummy',
    'redacted',
    'removed',
    'hidden',
  ],
  ...['examplekey', 'exampletoken', 'dummykey', 'dummytoken', 'samplekey', 'sampletoken', 'defaultkey'],
])

/** Words that mark a placeholder wherever they stand in it. */
const telling = new Set(['changeme', 'changethis', 'changeit', 'replaceme', 'replacethis', 'placeholder', 'fillme'])

/** First words of an instruction to the reader: `replace-with-a-real-key`. */
const orders = new Set(['change', 'replace', 'insert', 'paste', 'put', 'enter', 'add', 'set', 'fill', 'generate'])
