import type { Tool } from '../../core/request.ts'
import { repairName } from '../../json/repair.ts'

/** What a further piece of a call's name makes of it: some deployments send names in fragments, others repeat them. */
export interface CallNames {
  /** The name with the piece; `undefined` where the piece can only be the name of another call. */
  joined(name: string, piece: string): string | undefined
  /** No further piece is to be expected. `argued`: arguments have begun, which come behind the name. */
  isWhole(name: string, argued: boolean): boolean
}

export function callNames(tools: readonly Tool[]): CallNames {
  const isTool = (name: string) => repairName(name, tools) !== undefined
  const mayBecomeTool = (name: string) => tools.some((tool) => tool.name !== name && tool.name.startsWith(name))

  return {
    joined(name, piece) {
      if (name === '' || piece === '') return name + piece
      const appended = name + piece
      // `go` and `go`: a fragment where that makes a tool and half of it does not, else the same again.
      if (name === piece) return isTool(appended) && !isTool(name) ? appended : name
      if (isTool(appended)) return appended
      // All of it so far, and more.
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
