import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'

/**
 * Vocabularies differ: a model may say in 100 of its tokens what we count as 120, and the last word of a short answer
 * weighs much. Inside this margin an answer is taken for one that kept to its limit.
 */
const tolerance = { factor: 1.25, tokens: 16 }

/** Characters counted in one go: a token more or less at the seams does not matter in pieces of this size. */
const longestPiece = 512
const shortestPiece = 16

/**
 * Ends a reply with `length` once thinking, answer and arguments together are clearly beyond `maxTokens`, for
 * upstreams that take no such limit. A reply within the limit by the upstream's own count is never cut; one that is
 * not may run over by a quarter and 16 tokens. A call that is cut stays unfinished, and the reason tells.
 */
export function outputLimit(maxTokens: number, countTokens: (text: string) => number): Transform<Delta, Delta> {
  let left = maxTokens * tolerance.factor + tolerance.tokens
  let uncounted = ''
  let over = false
  const pieceLength = Math.min(longestPiece, Math.max(shortestPiece, maxTokens))

  return {
    push(delta, out) {
      if (over) return
      switch (delta.type) {
        case 'text':
        case 'reasoning': {
          const text = affordable(delta.text)
          if (text !== '') out.push({ ...delta, text })
          break
        }
        case 'tool-call': {
          const piece = affordable(delta.arguments ?? '')
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

  /** As much of the text as there is budget for. */
  function affordable(text: string): string {
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

/** The first place from `at` on that does not stand inside a surrogate pair. */
function characterEnd(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at + 1 : at
}
