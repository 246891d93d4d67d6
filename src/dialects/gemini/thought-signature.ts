import { decodeEchoed, encodeEchoed } from '../../core/echoed-text.ts'

/** Hands the reasoning of a reply out as signatures. */
export interface Signatures {
  /** Reasoning that no signature has yet. */
  add(reasoning: string): void
  /** The signature for the part that follows it; empty if there is none to give. */
  take(): { thoughtSignature?: string }
}

/**
 * Clients send the signature of a part back unread, and drop the thoughts themselves: Gemini CLI keeps none in its
 * history. So the signature holds the reasoning, from which the model continues in the next turn.
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
