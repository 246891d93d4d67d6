const quotes = /["'“‘«(]$/
const endQuotes = /^["'”’»)]/
/** What follows an opening tag that is only mentioned in a sentence. */
const behindOpeningMention = /^[ \t.,;:!?)"'”’»]/
/** What follows a closing tag that is only mentioned: the sentence continues or ends. */
const behindClosingMention = /^(?:[ \t]\p{Ll}|[.,;:!?)])/u

/** Whether a text mentions an opening tag instead of using it. `behind`: the text after the tag. */
export function isOpeningMention(behind: string): boolean {
  return behindOpeningMention.test(behind)
}

/**
 * Whether a text mentions a closing tag instead of using it: in quotes, or in a sentence that continues. `before`: the
 * character before the tag, `behind`: the two characters after it.
 */
export function isClosingMention(before: string, behind: string): boolean {
  return (quotes.test(before) && endQuotes.test(behind)) || (isBlank(before) && behindClosingMention.test(behind))
}

/** Whether a closing tag may turn out to be a mention: the text before it fits, and too little after it is known. */
export function mayBeClosingMention(before: string, behind: string): boolean {
  if (behind === '') return quotes.test(before) || isBlank(before)
  return isBlank(before) && isBlank(behind)
}

function isBlank(char: string): boolean {
  return char === ' ' || char === '\t'
}
