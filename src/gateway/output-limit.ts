import type { ReplyLimit } from '../core/call-meter.ts'
import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'
import type { Upstream } from '../core/upstream.ts'

/**
 * The margin within which a reply counts as kept to its limit. Vocabularies differ: 100 tokens of a model may be 120 of
 * the gateway's. The additional tokens are for short answers, in which the last word has much weight.
 */
const tolerance = { factor: 1.25, tokens: 16 }

/** Characters that are counted at a time. In pieces of this size, a token more or less at the cuts does not matter. */
const maxPieceLength = 512
const minPieceLength = 16

/**
 * The most tokens that a reply with this limit can have. A reply that the gateway itself ends may exceed the tolerance
 * by one piece, of which each character counts as a token.
 */
export function longestReply({ enforcesMaxTokens }: Pick<Upstream, 'enforcesMaxTokens'>, maxTokens: number): number {
  if (enforcesMaxTokens) return maxTokens
  const { tokens, pieceLength } = replyLimit(maxTokens)
  return tokens + pieceLength
}

/** The limit at which the gateway ends a reply itself. */
export function replyLimit(maxTokens: number): ReplyLimit {
  return {
    tokens: Math.ceil(maxTokens * tolerance.factor) + tolerance.tokens,
    pieceLength: Math.min(maxPieceLength, Math.max(minPieceLength, maxTokens)),
  }
}

/**
 * Ends a reply with reason `length` once reasoning, answer and arguments together clearly exceed `maxTokens`. Used for
 * upstreams that accept no such limit. A reply within the limit by the upstream's own count is never cut. A longer one
 * may exceed the limit by a quarter and 16 tokens. A call that is cut stays incomplete.
 */
export function outputLimit(maxTokens: number, countTokens: (text: string) => number): Transform<Delta, Delta> {
  const { tokens, pieceLength } = replyLimit(maxTokens)
  let left = tokens
  let uncounted = ''
  let over = false

  return {
    push(delta, out) {
      if (over) return
      switch (delta.type) {
        case 'text':
        case 'reasoning': {
          const text = withinLimit(delta.text)
          if (text !== '') out.push({ ...delta, text })
          break
        }
        case 'tool-call': {
          const piece = withinLimit(delta.arguments ?? '')
          out.push(delta.arguments === undefined ? delta : { ...delta, arguments: piece })
          break
        }
        case 'server-tool':
        case 'usage':
        case 'finish':
        case 'error':
          out.push(delta)
          break
        default:
          delta satisfies never
      }
      if (over) out.push({ type: 'finish', reason: 'length' })
    },
    end() {},
  }

  /** The beginning of the text that is within the limit. */
  function withinLimit(text: string): string {
    for (let at = 0; at < text.length; ) {
      const end = characterEnd(text, at + pieceLength - uncounted.length)
      uncounted += text.slice(at, end)
      at = end
      if (uncounted.length < pieceLength) break
      left -= countTokens(uncounted)
      uncounted = ''
      if (left < 0) {
        over = true
        return text.slice(0, at)
      }
    }
    return text
  }
}

/** The first index from `at` on that is not inside a surrogate pair. */
function characterEnd(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at + 1 : at
}
