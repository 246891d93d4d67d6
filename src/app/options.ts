import type { OperatorContext } from '../admin/operator-context.ts'
import type { MeteredCall } from '../core/call-meter.ts'
import type { Clock } from '../core/clock.ts'
import type { Dialects } from '../core/dialect.ts'
import type { Redact } from '../core/redact.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestLimits } from '../http/limits.ts'
import type { LiveSettings } from '../http/live-settings.ts'
import type { SignInSessions } from '../http/sign-in-sessions.ts'
import type { ServedKeys } from '../keys/open-keys.ts'
import type { Cost } from '../models/cost.ts'
import type { Capture } from '../observe/capture.ts'
import type { LiveRequests } from '../observe/live-requests.ts'
import type { Log } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { BackgroundStore } from '../store/background-store.ts'
import type { BatchStore } from '../store/batches.ts'
import type { ResponseStore } from '../store/responses.ts'

export interface AppOptions {
  dialects: Dialects
  gateway: Gateway
  store: ResponseStore
  /** The replies in the background of all gateways; absent where they share none. */
  background?: BackgroundStore | undefined
  batches: BatchStore
  clock: Clock
  log: Log
  /** Returns a new id that begins with `prefix`. */
  newId: (prefix: string) => string
  version: string
  settings: LiveSettings
  limits: RequestLimits
  /** Removes the operator's secrets from errors. */
  redact: Redact
  /** The secret with which the gateway proves that it belongs to the user; without it there is no proof. */
  proofSecret?: string | undefined
  metrics?: Metrics | undefined
  /** Keeps the bodies of requests for a reply; without it everything but the bodies is kept. */
  capture?: Capture | undefined
  /** The requests for a reply that are running. */
  live?: LiveRequests | undefined
  /** What the operator's page shows and does; without it the page can only sign in. */
  operator?: OperatorContext | undefined
  /** The sign-in sessions of that page, where several gateways share them. */
  signInSessions?: SignInSessions | undefined
  /** The keys that the operator has made; absent without a database. */
  keys?: ServedKeys | undefined
  /** Returns what calls have cost together, as far as that is known. `at` decides about peak hours, in epoch milliseconds. */
  costOf?: ((calls: readonly MeteredCall[], at: number) => Cost) | undefined
  /** Called with each admitted request for a reply, once it is over. */
  remember?: ((record: RequestRecord) => void) | undefined
  /** Called with the record of each request, once it is over. */
  trace?: ((record: RequestRecord) => void) | undefined
}
