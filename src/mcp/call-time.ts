import type { Clock } from '../core/clock.ts'
import { cancelled, GatewayError } from '../core/errors.ts'
import type { McpError } from '../core/mcp.ts'

export interface CallTimeOptions {
  clock: Clock
  /** Fires when the client has left. */
  signal: AbortSignal
  /** The limits for one call, and for all calls of a reply together. */
  callMs: number
  totalMs: number
}

/** Limits the time that servers may take. */
export interface CallTime {
  /** Whether no time is left for further calls. */
  isUsedUp(): boolean
  /**
   * Runs `work` within the limit of one call and the time that is left for all calls. Resolves with an error if that
   * time ends. Rejects with `cancelled` if the client has left, and with the errors of `work`.
   */
  within<Answer>(work: (signal: AbortSignal) => Promise<Answer>): Promise<Answer | McpError>
}

export function callTime({ clock, signal, callMs, totalMs }: CallTimeOptions): CallTime {
  let leftMs = totalMs
  // While several calls run at the same time, the time counts once.
  let running = 0
  let since = 0

  return {
    isUsedUp: () => leftMs <= 0,
    async within(work) {
      const isLast = leftMs < callMs
      const ms = isLast ? leftMs : callMs
      const deadline = new AbortController()
      const stop = clock.after(Math.max(0, ms), () => deadline.abort())
      spend()
      running++
      try {
        return await work(AbortSignal.any([signal, deadline.signal]))
      } catch (thrown) {
        if (signal.aborted) throw cancelled()
        // Calls may wait for a connection that another call opens. They are cancelled when that call is.
        if (deadline.signal.aborted || isCancelled(thrown)) return tooLate(ms, isLast ? 'MCP_TOTAL_MS' : 'MCP_CALL_MS')
        throw thrown
      } finally {
        stop()
        spend()
        running--
      }
    },
  }

  function spend(): void {
    const now = clock.monotonic()
    if (running > 0) leftMs -= now - since
    since = now
  }
}

function isCancelled(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.kind === 'cancelled'
}

function tooLate(ms: number, setting: string): McpError {
  return { kind: 'protocol', code: -32001, message: `it did not answer within ${ms / 1000} s (${setting}).` }
}
