import { appendText } from './append-text.ts'
import type { Usage } from './events.ts'

/**
 * Counts what one request to an upstream costs. It is told what the upstream sends, before anything of it is held back,
 * removed or changed.
 */
export interface CallMeter {
  /** The call got a lease of this credential, which is named by its fingerprint, or else by its name for people. */
  leased(credential: string): void
  /** The request is on its way: from now on its prompt counts. */
  sent(): void
  /** The model wrote this: an answer, reasoning, or a name or arguments of a call. */
  wrote(text: string): void
  /**
   * More was written than is paid for. Never true where the upstream ends replies by itself. A transform that holds text
   * back has to check it, because a limit later in the pipeline does not see that text.
   */
  readonly isExceeded: boolean
  /** The upstream added this to the prompt: what a web search or a tool of its own has found. */
  read(text: string): void
  /** The upstream's own usage so far. The last one counts. */
  reported(usage: Usage): void
  /** The reply is complete, so usage that was reported is final. */
  finished(): void
  /** The upstream did not run the request. Unless it had written something already, it costs nothing. */
  refused(): void
}

/** One request to an upstream and what it costs. */
export interface MeteredCall extends CallMeter {
  readonly upstream: string
  /** Public name of the model. */
  readonly model: string
  readonly credential: string | undefined
  /** What it has cost until now; `undefined` for nothing. */
  usage(): Usage | undefined
}

export interface MeterOptions {
  upstream: string
  model: string
  /** The tokens of the prompt, unless the upstream reports them. */
  inputTokens: number
  countTokens: (text: string) => number
  /** How much is paid for, if the upstream does not limit replies itself. */
  limit?: ReplyLimit | undefined
}

export interface ReplyLimit {
  tokens: number
  /** Characters that are counted at a time. */
  pieceLength: number
}

/** Characters at the beginning of a reply that are counted exactly. */
const exactLength = 8_192
/** The rest is divided into stretches, of each of which about the first `sampleLength` characters are counted. */
const stretchLength = 4_096
const sampleLength = 512

/** Keeps a sample of the text, because counting is slow and nearly every upstream reports its usage at the end. */
export function callMeter({ upstream, model, inputTokens, countTokens, limit }: MeterOptions): MeteredCall {
  let credential: string | undefined
  let isSent = false
  let isFinished = false
  let usage: Usage | undefined
  // What was written since the last report.
  let length = 0
  let beginning = ''
  let sample = ''
  // What was added to the prompt.
  let added = ''
  // What may still be written, and what was written since that was counted.
  let left = limit?.tokens ?? 0
  let piece = ''

  return {
    upstream,
    model,
    get credential() {
      return credential
    },
    leased(name) {
      credential = name
    },
    sent() {
      isSent = true
    },
    wrote(text) {
      if (length < exactLength) beginning = appendText(beginning, text)
      else if (sample === '' || length % stretchLength < sampleLength) sample = appendText(sample, text)
      length += text.length
      if (limit) use(text, limit)
    },
    get isExceeded() {
      return left < 0
    },
    read(text) {
      added = appendText(added, text)
    },
    reported(counted) {
      usage = counted
      length = 0
      beginning = ''
      sample = ''
    },
    finished() {
      isFinished = true
    },
    refused() {
      isSent = false
    },
    usage() {
      if (usage === undefined && length === 0 && !isSent) return undefined
      if (usage !== undefined && (isFinished || length === 0)) return usage
      const unreported = length === 0 ? 0 : countWritten()
      if (usage !== undefined) return { ...usage, outputTokens: usage.outputTokens + unreported }
      const read = added === '' ? 0 : countTokens(added)
      return { inputTokens: inputTokens + read, outputTokens: unreported }
    },
  }

  function countWritten(): number {
    const rest = length - beginning.length
    return countTokens(beginning) + (rest === 0 ? 0 : Math.ceil((countTokens(sample) * rest) / sample.length))
  }

  function use(text: string, { pieceLength }: ReplyLimit): void {
    piece += text
    if (piece.length < pieceLength) return
    left -= countTokens(piece)
    piece = ''
  }
}
