import type { KeepAliveStyle, ReasoningField } from '../core/reply-encoder.ts'
import type { ReasoningMode } from '../gateway/reasoning-placement.ts'
import type { AccessOptions } from './access.ts'
import type { LimitOptions } from './limits.ts'

/**
 * The settings that may change while the gateway runs. A new configuration replaces the fields of the one object that
 * holds them, so a setting is read from the object for each request.
 */
export interface LiveSettings extends LimitOptions {
  access: AccessOptions
  maxBodyBytes: number
  /** Longest wait for the next bytes of a request body. */
  bodyTimeoutMs: number
  /** Longest silence towards a client before a keep-alive is sent. */
  keepAliveMs: number
  keepAliveStyle: KeepAliveStyle
  /** Longest time in which a client reads nothing of its reply before the connection is cut. */
  stallMs: number
  reasoningMode: ReasoningMode
  reasoningField: ReasoningField
}
