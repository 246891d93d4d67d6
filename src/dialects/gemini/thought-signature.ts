import { decodeEchoed, encodeEchoed } from '../../core/echoed-text.ts'

/** Packs the reasoning of a reply into signatures. */
export interface Signatures {
  /** Adds reasoning that is not part of a signature yet. */
  add(reasoning: string): void
  /** The signature for the part that follows it; empty if there is none to give. */
  take(): { thoughtSignature?: string }
}

/**
 * Clients return the signature of a part unread, but drop the thoughts themselves: Gemini CLI keeps none in its
 * history. The signature therefore holds the reasoning, so that the model can continue from it in the next turn.
 */
export function signatures(): Signatures {
  let unsigned: string[] = []
  return {
    add: (reasoning) => void unsigned.push(reasoning),
    take() {
      if (unsigned.length === 0) return {}
      const thoughtSignature = encodeEchoed(unsigned.join('\n\n'))
      unsigned = []
      return { thoughtSignature }
    },
  }
}

/** The reasoning in a signature of the gateway; `undefined` for one of another model, and for a placeholder. */
export function reasoningIn(signature: unknown): string | undefined {
  return typeof signature === 'string' ? decodeEchoed(signature) : undefined
}
