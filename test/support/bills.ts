import { callMeter, type MeteredCall } from '../../src/core/call-meter.ts'
import type { Bill } from '../../src/core/upstream.ts'

/** A bill that nobody pays, for the request with its own limit. */
export function unpaidBill(maxTokens?: number): () => Promise<Bill> {
  return async () => ({ maxTokens, meter: characterMeter() })
}

/** Counts each character as a token, and the prompt as 10. */
export function characterMeter(): MeteredCall {
  return callMeter({ upstream: 'any', model: 'any', inputTokens: 10, countTokens: (text) => text.length })
}
