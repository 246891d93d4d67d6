import type { Tool } from '../../core/request.ts'
import { toolNamed } from '../../json/repair.ts'

/** Joins the pieces of a call's name: some deployments send names in fragments, others repeat them. */
export interface CallNames {
  /** The name with the piece added; `undefined` if the piece must be the name of another call. */
  joined(name: string, piece: string): string | undefined
  /** Whether no further piece can follow. `argued`: the arguments have begun, and they come after the name. */
  isWhole(name: string, argued: boolean): boolean
}

export function callNames(tools: readonly Tool[]): CallNames {
  const isTool = (name: string) => toolNamed(name, tools) !== undefined
  const mayBecomeTool = (name: string) => tools.some((tool) => tool.name !== name && tool.name.startsWith(name))

  return {
    joined(name, piece) {
      if (name === '' || piece === '') return name + piece
      const appended = name + piece
      // `go` and `go`: two fragments if `gogo` is a tool and `go` is not, otherwise a repetition.
      if (name === piece) return isTool(appended) && !isTool(name) ? appended : name
      if (isTool(appended)) return appended
      // The piece repeats the name so far and continues it.
      if (piece.startsWith(name) && (isTool(piece) || mayBecomeTool(piece))) return piece
      if (isTool(piece)) return undefined
      return mayBecomeTool(appended) || !isTool(name) ? appended : undefined
    },
    isWhole(name, argued) {
      if (name === '') return false
      return isTool(name) ? argued || !mayBecomeTool(name) : argued && !mayBecomeTool(name)
    },
  }
}
