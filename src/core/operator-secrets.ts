import { findIssuedKeys } from './issued-keys.ts'
import { createSecretFinder, type TextRange, withoutRanges } from './known-secrets.ts'
import type { Redact } from './redact.ts'

/** Finds the positions of secrets in a text. The ranges may overlap and have no order. */
type Find = (text: string) => TextRange[]

/** The secrets of the configuration, and the keys that the operator has issued, which are recognised by their shape. */
export interface OperatorSecrets {
  redact: Redact
  findConfigured: Find
  /**
   * Wraps `find` so that a short text without secrets is searched only once. Names of models, paths and steps come with
   * every request, and a search takes as long as a hundred look-ups. The results of `find` may change only when `add`
   * is called.
   */
  remembering(find: Find): Find
  /** Adds the secrets of a new configuration. Earlier secrets stay, because calls that use them may still run. */
  add(secrets: readonly string[]): void
}

const longestRemembered = 64
const mostRemembered = 500
const none: TextRange[] = []

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
