import { findIssuedKeys } from './issued-keys.ts'
import { createSecretFinder, type Range, withoutRanges } from './known-secrets.ts'
import type { Redact } from './redact.ts'

/** Finds places of secrets in a text, in any order; they may overlap. */
type Find = (text: string) => Range[]

/** The secrets of the configuration, and the keys that the operator has made, which are known by their shape. */
export interface OperatorSecrets {
  redact: Redact
  findConfigured: Find
  /**
   * Finds the same, but searches a short text without secrets only once: names of models, paths and steps come with every
   * request, and to search one takes as long as a hundred look-ups. What `find` says may change only with `add`.
   */
  remembering(find: Find): Find
  /** Secrets of another configuration. Those before stay, because calls that use them may still run. */
  add(secrets: readonly string[]): void
}

const longestRemembered = 64
const mostRemembered = 500
const none: Range[] = []

export function createOperatorSecrets(first: readonly string[]): OperatorSecrets {
  const secrets = new Set(first)
  let find = createSecretFinder([...secrets])
  const remembered: Set<string>[] = []
  const findAll = remembering((text) => [...find(text), ...findIssuedKeys(text)])

  return {
    redact: (text) => withoutRanges(findAll(text), text),
    findConfigured: (text) => find(text),
    remembering,
    add(more) {
      for (const secret of more) secrets.add(secret)
      find = createSecretFinder([...secrets])
      for (const clean of remembered) clean.clear()
    },
  }

  function remembering(search: Find): Find {
    const clean = new Set<string>()
    remembered.push(clean)
    return (text) => {
      if (text.length > longestRemembered) return search(text)
      if (clean.has(text)) return none
      const ranges = search(text)
      if (ranges.length > 0) return ranges
      if (clean.size >= mostRemembered) clean.clear()
      clean.add(text)
      return none
    }
  }
}
