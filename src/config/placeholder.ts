/**
 * Whether a text is a stand-in that examples use for a key: `sk-your-api-key`, `changeme`, `xxx`, `<key>`, `$AUTH_TOKEN`.
 * Everybody knows these texts, so they protect nothing. A weak key that a user made up does not count as a placeholder.
 */
export function isPlaceholder(text: string): boolean {
  const value = text.trim().replace(/^(["'`])(.*)\1$/, '$2')
  if (shapes.some((shape) => shape.test(value))) return true
  const bare = value.replace(/^bearer[ _-]+/i, '').replace(/^(?:(?:sk|ant|zai)-)+(?=.)/i, '')
  if (filler.test(bare)) return true
  const words = bare
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
  const [first = '', last = ''] = [words[0], words.at(-1)]
  return (
    wholePlaceholders.has(words.join('')) ||
    words.some((word) => /^your(?!s$)/.test(word) || placeholderWords.has(word)) ||
    (words.length > 1 && instructionVerbs.has(first)) ||
    (words.length > 1 && last === 'here')
  )
}

/** Only the beginning of a key, as a script writes it if it fails to generate the rest. */
const onlyPrefixes = /^(?:bearer[ _-]+)?(?:(?:sk|ant|zai)-)+$/i

/** Variables that were not expanded, and texts in brackets. */
const shapes = [/^\$\{?\w+\}?$/, /^\$env:\w+$/i, /^%\w+%$/, /^(<.*>|\[.*\]|\{.*\}|\(.*\))$/, onlyPrefixes]

/** `xxx`, `***`, `...`, `000000`, `xxxx-xxxx.xxxx`: one character at least three times, or only x, `*` and separators. */
const filler = /^(?:(.)\1{2,}|[x*._…-]{3,})$/iu

/** Placeholders as whole values, with all separators removed. */
const wholePlaceholders = new Set([
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

/** Words that mark a value as a placeholder at any position. */
const placeholderWords = new Set([
  'changeme',
  'changethis',
  'changeit',
  'replaceme',
  'replacethis',
  'placeholder',
  'fillme',
])

/** First words of an instruction to the reader: `replace-with-a-real-key`. */
const instructionVerbs = new Set([
  'change',
  'replace',
  'insert',
  'paste',
  'put',
  'enter',
  'add',
  'set',
  'fill',
  'generate',
])
