import type { TextKind } from '../core/events.ts'
import { codePlaces } from './markdown-code.ts'

/** A stretch of what the model wrote, and the channel in which it belongs. */
export interface ChannelText {
  type: TextKind
  /** Empty where `afterReasoning` is all there is to tell. */
  text: string
  /** Reasoning that began elsewhere ends in front of it. */
  afterReasoning?: true
}

export interface TagReader {
  push(text: string): ChannelText[]
  /** Something else comes now: what waited for its end has none. */
  onPause(): ChannelText[]
  end(): ChannelText[]
  /** Text without a tag comes out as it goes in. */
  readonly open: boolean
  /** Words are held back, which come out before anything of another channel. */
  readonly waiting: boolean
}

export interface TagReaderOptions {
  /** The channel in which the model wrote it. */
  channel: TextKind
  /** Vision models put the final answer into a frame. */
  frames: boolean
}

type TagPosition =
  /** In front of the first word. */
  | 'beginning'
  | 'words'
  /** In `<think>` in front of the answer: sent on as it comes. */
  | 'thought'
  /** In `<think>` in the middle of the answer: it waits, for nobody knows yet whether it ends. */
  | 'inset'
  /** In a call written as text, whose arguments may hold any tag. */
  | 'call'
  /** JSON, whose strings may hold any tag. */
  | 'json'

const opening = '<think>'
const closing = '</think>'
const calls = ['<tool_call>', '<tool_calls>', '<function_calls>']
const frame = ['<|begin_of_box|>', '<|end_of_box|>']
/** Longest thought in the middle of an answer, in UTF-16 units. */
const longestInset = 100_000
/** Longest white space in front of the first word, in UTF-16 units: it is read anew with each piece. */
const longestLead = 2_000

const quotes = /["'“‘«(]$/
const endQuotes = /^["'”’»)]/
/** Behind a tag that words tell about. */
const behindMention = /^[ \t.,;:!?)"'”’»]/
/** Behind a closing tag that words tell about: their sentence goes on, or ends here. */
const behindClosingMention = /^(?:[ \t]\p{Ll}|[.,;:!?)])/u

/**
 * Takes the tags of thinking out of a text, and the thoughts in them out of the answer.
 *
 * Text about the tags stays: what stands in code or in quotes, and `<think>` in a sentence with the `</think>` that
 * follows it. Any other `</think>` is left over from a thought, and dropped; so is `<think>` that nobody closes.
 * What may still become a tag is held back, so that the output does not depend on how the text is cut.
 */
export function tagReader({ channel, frames }: TagReaderOptions): TagReader {
  const tags = [opening, closing, ...calls, ...(frames ? frame : [])]
  let position: TagPosition = 'beginning'
  let held = ''
  let inset = ''
  // A tag stood in front of the first word, so that the white space before that word is worth nothing.
  let cleared = false
  // What ends the call that is being read.
  let callEnd = ''
  // Tags in sentences whose other half is still to come.
  let mentions = 0
  const code = codePlaces()
  // The next piece stands behind a tag that was left over.
  let left = false
  let out: ChannelText[] = []

  return {
    push(text) {
      out = []
      const input = held + text
      held = ''
      let at = 0
      while (at < input.length) {
        const next = step(input, at)
        if (next === undefined) {
          held = input.slice(at)
          break
        }
        at = next
      }
      return out
    },
    onPause() {
      out = []
      if (isWaiting()) release('reasoning')
      addMark()
      return out
    },
    end() {
      out = []
      release('text')
      addMark()
      return out
    },
    get open() {
      return held === '' && !left && (position === 'words' || position === 'json')
    },
    get waiting() {
      return isWaiting()
    },
  }

  function isWaiting(): boolean {
    return held.trim() !== '' || position === 'inset'
  }

  /** Reads from `at`, and says how far; `undefined` where it takes more to know. */
  function step(input: string, at: number): number | undefined {
    switch (position) {
      case 'beginning':
        return beginning(input, at)
      case 'words':
        return words(input, at)
      case 'thought':
      case 'inset':
        return reasoning(input, at)
      case 'call':
        return until(callEnd, input, at, (text, ended) => {
          add(channel, text + (ended ? callEnd : ''))
          if (ended) position = 'words'
        })
      case 'json':
        add(channel, input.slice(at))
        return input.length
      default:
        return position satisfies never
    }
  }

  function beginning(input: string, at: number): number | undefined {
    const word = input.slice(at).search(/\S/)
    if (word > longestLead || (word < 0 && input.length - at > longestLead)) {
      // What comes behind so much of nothing is no answer: it is not to be held back without end.
      position = 'words'
      return at
    }
    if (word < 0) return undefined
    const first = at + word
    const tag = tags.find((one) => input.startsWith(one, first))
    if (tag === undefined && mayBecomeTag(input, first)) return undefined
    if (tag === undefined || calls.includes(tag)) {
      position = channel === 'text' && /[{[]/.test(input.charAt(first)) ? 'json' : 'words'
      return cleared ? first : at
    }
    cleared = true
    if (tag === opening && channel === 'text') position = 'thought'
    if (tag === closing) left = true
    return first + tag.length
  }

  function words(input: string, at: number): number | undefined {
    const found = input.indexOf('<', at)
    const start = found < 0 ? input.length : found
    if (start > at) {
      write(input.slice(at, start))
      return start
    }
    if (!code.inside) {
      const tag = tags.find((one) => input.startsWith(one, start))
      if (tag !== undefined) return tagAt(tag, input, start)
      if (mayBecomeTag(input, start)) return undefined
    }
    write('<')
    return start + 1
  }

  function tagAt(tag: string, input: string, at: number): number | undefined {
    const next = at + tag.length
    if (calls.includes(tag)) {
      position = 'call'
      callEnd = tag.replace('<', '</')
      write(tag)
      return next
    }
    if (tag === opening && next === input.length) return undefined
    if (tag === closing && mentions === 0 && mayBeMentioned(input.slice(next, next + 2))) return undefined
    if (tag === opening) {
      if (behindMention.test(input.charAt(next))) {
        mentions++
        write(tag)
      } else if (channel === 'text') {
        position = 'inset'
        inset = ''
      }
      return next
    }
    if (tag === closing) {
      const isMentioned =
        mentions > 0 ||
        (quotes.test(code.before) && endQuotes.test(input.charAt(next))) ||
        (isBlank(code.before) && behindClosingMention.test(input.slice(next, next + 2)))
      mentions = Math.max(0, mentions - 1)
      if (isMentioned) write(tag)
      else left = true
    }
    return next
  }

  /** What stands in front of a closing tag is as in front of one that is told about, and too little is known behind it. */
  function mayBeMentioned(behind: string): boolean {
    if (behind === '') return quotes.test(code.before) || isBlank(code.before)
    return isBlank(code.before) && isBlank(behind)
  }

  function reasoning(input: string, at: number): number | undefined {
    return until(closing, input, at, (text, ended) => {
      if (position === 'thought') add('reasoning', text)
      else inset += text
      if (!ended && (position === 'thought' || inset.length <= longestInset)) return
      if (position === 'inset') {
        if (ended) add('reasoning', inset)
        else write(inset)
      }
      position = position === 'thought' ? 'beginning' : 'words'
      inset = ''
    })
  }

  /** Hands on all in front of `end`, and whether it came; what may become it is held. */
  function until(
    end: string,
    input: string,
    at: number,
    read: (text: string, ended: boolean) => void,
  ): number | undefined {
    const found = input.indexOf(end, at)
    if (found >= 0) {
      read(input.slice(at, found), true)
      return found + end.length
    }
    const safe = input.length - halfLength(input.slice(at), end)
    if (safe > at) read(input.slice(at, safe), false)
    return safe > at ? safe : undefined
  }

  function release(insetAs: TextKind): void {
    const isLeft = held.startsWith(closing)
    const rest = held === opening ? '' : held.slice(isLeft ? closing.length : 0)
    left ||= isLeft
    held = ''
    if (position === 'thought') add('reasoning', rest)
    else if (position === 'inset') {
      if (insetAs === 'text') write(inset + rest)
      else add('reasoning', inset + rest)
      inset = ''
      position = 'words'
    } else {
      write(rest)
      if (rest.trim() !== '') position = 'words'
    }
  }

  function write(text: string): void {
    code.read(text)
    add(channel, text)
  }

  /** Nothing follows a tag that was left over. */
  function addMark(): void {
    if (left) out.push({ type: channel, text: '', afterReasoning: true })
    left = false
  }

  function add(type: TextKind, text: string): void {
    const last = out.at(-1)
    if (text === '') return
    if (last?.type === type && !left) last.text += text
    else out.push({ type, text, ...(left && { afterReasoning: true }) })
    left = false
  }

  function mayBecomeTag(input: string, at: number): boolean {
    const rest = input.slice(at, at + 20)
    return tags.some((tag) => rest.length < tag.length && tag.startsWith(rest))
  }
}

function isBlank(char: string): boolean {
  return char === ' ' || char === '\t'
}

/** Length of the longest end of `text` with which `word` begins. */
function halfLength(text: string, word: string): number {
  for (let length = Math.min(word.length - 1, text.length); length > 0; length--)
    if (text.endsWith(word.slice(0, length))) return length
  return 0
}
