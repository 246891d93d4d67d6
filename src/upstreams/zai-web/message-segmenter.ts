import type { MessagePiece } from './release-buffer.ts'

/** Where the reader stands in the message. */
type Mode =
  /** Plain text. */
  | 'outside'
  /** Behind `<details type="reasoning" …>`: white space and a summary are to be skipped. */
  | 'head'
  | 'summary'
  /** Behind a line break in a thought: `> ` is to be skipped. */
  | 'line'
  | 'thought'
  | 'block'
  /** Behind a closing tag: one line break is to be skipped. */
  | 'after'

interface Stretch {
  text: string
  /** Its frame said so; tells thoughts from answers outside of wrappers. */
  thinking: boolean
}

/** Everything the reader remembers. Its values are never changed, only replaced, so a shallow copy is a snapshot. */
interface SegmenterState {
  mode: Mode
  /** Half a tag or prefix: not yet judged. */
  carry: readonly Stretch[]
  /** White space begun in thinking: belongs to the answer if a wrapper follows, else to who wrote it. */
  space: readonly Stretch[]
  /** First half of a surrogate pair whose second half is still to come. */
  half: string
  /** JSON of the open block so far. */
  json: string
  /** Some reasoning was read before. */
  reasoned: boolean
  /** The open thought has not said anything yet. */
  fresh: boolean
}

interface MessageSegmenter {
  read(text: string, thinking: boolean): void
  /** What was carried is judged as it stands. */
  end(): void
  save(): SegmenterState
  restore(state: SegmenterState): void
}

/** The rest of the input cannot be judged without what comes next. */
const more = undefined

// An attribute list that grows longer is no tag: bounds what has to be carried and read again.
const wrapper = /<details type="reasoning"[^<>]{0,400}>/y
const halfWrapper = /<details type="reasoning"[^<>]{0,400}$/y
const block = /<glm_block(?:\s[^<>]{0,400})?>\s{0,8}\{/y
const halfBlock = /<glm_block(?:\s[^<>]{0,400})?(?:>\s{0,8})?$/y
const wrapperName = '<details type="reasoning"'
const blockName = '<glm_block'
const wrapperEnd = '</details>'
const blockEnd = '</glm_block>'
const summary = '<summary>'
const summaryEnd = /<\/(?:summary|details)>/g
const longestSummaryEnd = wrapperEnd.length

/**
 * Reads the message left to right and tells reasoning, answer and tool blocks apart.
 *
 * `<details type="reasoning" …>` is reasoning whatever its frame's phase: the edit that closes a thought repeats it
 * in phase `answer`. Outside of it the phase tells. Whole tags are needed, so a tag in pieces is carried until it is
 * one; each read costs what it reads and what was carried.
 */
export function messageSegmenter(add: (piece: MessagePiece) => void): MessageSegmenter {
  let state: SegmenterState = {
    mode: 'outside',
    carry: [],
    space: [],
    half: '',
    json: '',
    reasoned: false,
    fresh: false,
  }
  // Of the running read: what was carried, and the new text.
  let stretches: readonly Stretch[] = []

  /** Each reads from `at` and says how far it came, or that it needs more. */
  const steps: Record<Mode, (input: string, at: number) => number | undefined> = {
    outside,
    head,
    summary: skipSummary,
    line,
    thought: reasoning,
    block: collect,
    after(input, at) {
      state.mode = 'outside'
      return input[at] === '\n' ? at + 1 : at
    },
  }

  return {
    read(text, thinking) {
      const joined = state.half + text
      const whole = joined.length - (endsInHalf(joined) ? 1 : 0)
      state.half = joined.slice(whole)
      stretches = [...state.carry, { text: joined.slice(0, whole).toWellFormed(), thinking }]
      const input = textOf(stretches)
      let at: number | undefined = 0
      let judged = 0
      while (at !== more && at < input.length) {
        judged = at
        at = steps[state.mode](input, at)
      }
      state.carry = at === more ? between(judged, input.length) : []
    },
    end() {
      stretches = state.carry
      const rest = textOf(stretches)
      if (state.mode === 'outside') {
        plain(0, rest.length)
        letSpaceGo()
      } else if (state.mode === 'head' || state.mode === 'thought') think(rest)
      state.carry = []
    },
    save: () => ({ ...state }),
    restore(saved) {
      state = { ...saved }
    },
  }

  function outside(input: string, at: number): number | undefined {
    const tag = input.indexOf('<', at)
    if (tag !== at) {
      const end = tag < 0 ? input.length : tag
      plain(at, end)
      return end
    }
    const thoughtAt = endOf(wrapper, input, at)
    if (thoughtAt !== undefined) {
      for (const { text } of state.space) add({ type: 'text', text })
      state.space = []
      state.mode = 'head'
      state.fresh = true
      return thoughtAt
    }
    const jsonAt = endOf(block, input, at)
    if (jsonAt !== undefined) {
      letSpaceGo()
      state.mode = 'block'
      state.json = '{'
      return jsonAt
    }
    const half = endOf(halfWrapper, input, at) ?? endOf(halfBlock, input, at)
    if (half !== undefined || isStart(input, at, wrapperName) || isStart(input, at, blockName)) return more
    plain(at, at + 1)
    return at + 1
  }

  function head(input: string, at: number): number | undefined {
    const blank = input.length - input.slice(at).trimStart().length
    if (blank > at) return blank
    if (input.startsWith(wrapperEnd, at)) return close(at + wrapperEnd.length)
    if (input.startsWith(summary, at)) {
      state.mode = 'summary'
      return at + summary.length
    }
    if (isStart(input, at, summary) || isStart(input, at, wrapperEnd)) return more
    state.mode = 'line'
    return at
  }

  function skipSummary(input: string, at: number): number | undefined {
    summaryEnd.lastIndex = at
    const end = summaryEnd.exec(input)?.[0]
    if (end === wrapperEnd) return close(summaryEnd.lastIndex)
    if (end !== undefined) {
      state.mode = 'head'
      return summaryEnd.lastIndex
    }
    const skipped = input.length - longestSummaryEnd + 1
    return skipped > at ? skipped : more
  }

  function line(input: string, at: number): number | undefined {
    if (input[at] === '>' && at + 1 === input.length) return more
    state.mode = 'thought'
    if (input[at] !== '>') return at
    return input[at + 1] === ' ' ? at + 2 : at + 1
  }

  function reasoning(input: string, at: number): number | undefined {
    const stop = input.slice(at).search(/[\n<]/)
    if (stop !== 0) {
      const end = stop < 0 ? input.length : at + stop
      think(input.slice(at, end))
      return end
    }
    const breaks = input[at] === '\n'
    const tag = breaks ? at + 1 : at
    if (input.startsWith(wrapperEnd, tag)) return close(tag + wrapperEnd.length)
    if (isStart(input, tag, wrapperEnd)) return more
    think(input.charAt(at))
    if (breaks) state.mode = 'line'
    return at + 1
  }

  function collect(input: string, at: number): number | undefined {
    const end = input.indexOf(blockEnd, at)
    if (end >= 0) {
      add({ type: 'block', json: state.json + input.slice(at, end) })
      state.json = ''
      return close(end + blockEnd.length)
    }
    const safe = input.length - blockEnd.length + 1
    if (safe <= at) return more
    state.json += input.slice(at, safe)
    return safe
  }

  function close(end: number): number {
    state.mode = 'after'
    return end
  }

  /** A thought in a wrapper, set off from reasoning before it by a blank line. */
  function think(text: string): void {
    if (text === '') return
    const gap = state.fresh && state.reasoned ? '\n\n' : ''
    state.fresh = false
    reason(gap + text)
  }

  function reason(text: string): void {
    state.reasoned = true
    add({ type: 'reasoning', text })
  }

  function plain(from: number, to: number): void {
    for (const stretch of between(from, to)) {
      const word = stretch.text.trimEnd()
      if (word !== '') {
        letSpaceGo()
        emit({ ...stretch, text: word })
      }
      const space = { ...stretch, text: stretch.text.slice(word.length) }
      if (space.text === '') continue
      if (stretch.thinking || state.space.length > 0) state.space = joined(state.space, space)
      else emit(space)
    }
  }

  function letSpaceGo(): void {
    for (const stretch of state.space) emit(stretch)
    state.space = []
  }

  function emit({ text, thinking }: Stretch): void {
    if (thinking) reason(text)
    else add({ type: 'text', text })
  }

  function between(from: number, to: number): Stretch[] {
    const found: Stretch[] = []
    let start = 0
    for (const { text, thinking } of stretches) {
      const part = text.slice(Math.max(0, from - start), Math.max(0, to - start))
      if (part !== '') found.push({ text: part, thinking })
      start += text.length
    }
    return found
  }
}

function textOf(stretches: readonly Stretch[]): string {
  return stretches.length === 1 ? (stretches[0]?.text ?? '') : stretches.map((stretch) => stretch.text).join('')
}

/** One stretch more, as few as possible: white space may come in thousands of frames. */
function joined(stretches: readonly Stretch[], next: Stretch): readonly Stretch[] {
  const last = stretches.at(-1)
  if (last?.thinking !== next.thinking) return [...stretches, next]
  return [...stretches.slice(0, -1), { text: last.text + next.text, thinking: next.thinking }]
}

function endOf(pattern: RegExp, input: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(input) ? pattern.lastIndex : undefined
}

/** What is left of the input may become `word`. */
function isStart(input: string, at: number, word: string): boolean {
  return input.length - at < word.length && word.startsWith(input.slice(at))
}

function endsInHalf(text: string): boolean {
  const last = text.charCodeAt(text.length - 1)
  return last >= 0xd800 && last <= 0xdbff
}
