import { isRecord, parseJson } from '../core/json.ts'

/** Some gateways deliver every piece twice. */
export interface DoubledPieces {
  /** The pieces to read now. */
  push(piece: string): string[]
  end(): string[]
}

/**
 * Removes the second piece of each pair, if all pieces come in pairs and only the pieces without it make an object.
 *
 * Pieces are held from the first pair until one breaks the pattern, or until the end; then they come out as they came.
 */
export function doubledPieces(): DoubledPieces {
  let first: string | undefined
  let state: 'begin' | 'paired' | 'off' = 'begin'
  // The pieces of the pairs after the first pair, each once.
  let singles: string[] = []
  // The first half of a pair.
  let open: string | undefined

  return {
    push(piece) {
      if (state === 'off') return [piece]
      if (first === undefined) {
        first = piece
        return [piece]
      }
      if (state === 'begin') {
        state = piece === first ? 'paired' : 'off'
        return state === 'off' ? [piece] : []
      }
      if (open === undefined) {
        // A piece that begins with the first one may repeat all arguments so far.
        if (piece.startsWith(first)) return [...release(), piece]
        open = piece
        return []
      }
      if (piece !== open) return [...release(), piece]
      singles.push(piece)
      open = undefined
      return []
    },
    end() {
      if (state !== 'paired') return []
      const once = singles
      const arePairs = open === undefined && once.length > 0 && isObject([first ?? '', ...once].join(''))
      const all = release()
      return arePairs && !isObject([first ?? '', ...all].join('')) ? once : all
    },
  }

  /** All that is held, as it came. */
  function release(): string[] {
    const all = [first ?? '', ...singles.flatMap((piece) => [piece, piece]), ...(open === undefined ? [] : [open])]
    state = 'off'
    singles = []
    open = undefined
    return all
  }
}

function isObject(text: string): boolean {
  return isRecord(parseJson(text))
}
