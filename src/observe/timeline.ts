import type {
  AttemptObserver,
  CallObserver,
  ConnectionFacts,
  ExchangeObserver,
  QueuePlace,
} from '../core/call-observer.ts'
import type { GatewayError } from '../core/errors.ts'

/** How one request spent its time, its attempts, and how it was routed. */
export interface Timeline extends CallObserver {
  /** In the order in which they began. */
  readonly steps: readonly TimedStep[]
  readonly tries: readonly Try[]
  readonly routing: readonly RoutingReason[]
  /** The waits for a credential and before another attempt, together; `undefined` where there was none. */
  waitMs(): number | undefined
  /** The place in the line, while there is one. */
  place(): QueuePlace | undefined
  /** The credential of the last attempt. */
  credential(): string | undefined
  /** A step begins, and what was under way ends. */
  begin(kind: StepKind, label?: string): void
  /** What is under way ends. */
  end(): void
}

/** Both ends in milliseconds from the start of the request; a step without its end is under way. */
export interface TimedStep {
  kind: StepKind
  /** From 1. */
  attempt?: number
  fromMs: number
  toMs?: number
  /** The tool that is called, the upstream that is asked. */
  label?: string
  detail?: string
}

export type StepKind =
  | 'read'
  | 'count'
  | 'queue'
  | 'backoff'
  | 'connect'
  | 'headers'
  | 'first'
  | 'reasoning'
  | 'text'
  | 'tool'
  | 'mcp'
  | 'store'
  | 'close'

/** One attempt at an upstream; times in milliseconds from the start of the request. */
export interface Try {
  /** From 1. */
  n: number
  upstream: string
  credential?: string
  status?: number
  error?: { code: string; message: string }
  startedMs: number
  headersMs?: number
  firstMs?: number
  endedMs?: number
  /** It went out on a connection that was open before. */
  reused?: boolean
}

export interface RoutingReason {
  from: string
  to: string
  /** The setting or the fact that decided: `MODEL_MAP`. */
  by: string
}

/** What a reply consists of: each such step belongs to the attempt that answers. */
const replySteps: readonly StepKind[] = ['reasoning', 'text', 'tool']

/** After this many steps only attempts are recorded: the waits of a call that is refused for minutes would fill memory. */
const mostSteps = 200
const mostTries = 100

/**
 * `elapsed` tells the milliseconds since the start of the request. `onWait` is called when the request begins or ends to
 * wait in a line. `exchangeOf` takes the wire of each attempt, where bodies are kept.
 */
export function createTimeline(
  elapsed: () => number,
  onWait: () => void = () => {},
  exchangeOf?: (attempt: number) => ExchangeObserver | undefined,
): Timeline {
  const steps: TimedStep[] = []
  const tries: Try[] = []
  const routing: RoutingReason[] = []
  let upstream = ''
  let current: TimedStep | undefined
  // The sum of the waits that are over.
  let waitedMs: number | undefined
  let whereInLine: (() => QueuePlace) | undefined
  let attemptCount = 0

  return {
    steps,
    tries,
    routing,
    waitMs() {
      const waiting = current !== undefined && isWait(current) ? elapsed() - current.fromMs : undefined
      return waiting === undefined ? waitedMs : waiting + (waitedMs ?? 0)
    },
    place: () => whereInLine?.(),
    credential: () => tries.at(-1)?.credential,
    begin,
    end,
    routed: (from, to, by) => void routing.push({ from, to, by }),
    counts: () => begin('count'),
    counted(inputTokens) {
      if (current) current.detail = `${inputTokens} tokens`
      end()
    },
    asks(id) {
      upstream = id
    },
    waits(place) {
      begin('queue', upstream)
      whereInLine = place
      onWait()
    },
    backsOff: () => begin('backoff', upstream),
    runs(label) {
      end()
      // Several may run at the same time.
      const step: TimedStep = { kind: 'mcp', fromMs: elapsed(), label }
      if (steps.length < mostSteps) steps.push(step)
      return (outcome) => {
        step.toMs = elapsed()
        step.detail = outcome
      }
    },
    attempts: attempt,
  }

  function begin(
    kind: StepKind,
    label?: string,
    attempt = replySteps.includes(kind) ? tries.at(-1)?.n : undefined,
    fromMs = elapsed(),
  ): void {
    end(fromMs)
    current = { kind, fromMs }
    if (label !== undefined) current.label = label
    if (attempt !== undefined) current.attempt = attempt
    if (steps.length < mostSteps) steps.push(current)
  }

  function end(atMs = elapsed()): void {
    if (current === undefined) return
    current.toMs = atMs
    if (isWait(current)) waitedMs = (waitedMs ?? 0) + atMs - current.fromMs
    whereInLine = undefined
    current = undefined
  }

  function attempt(credential: string | undefined): AttemptObserver {
    const startedMs = elapsed()
    const n = ++attemptCount
    const tried: Try = { n, upstream, startedMs }
    if (credential !== undefined) tried.credential = credential
    if (tries.length === mostTries) tries.shift()
    tries.push(tried)
    const wasWaiting = whereInLine !== undefined
    begin('headers', upstream, n, startedMs)
    if (wasWaiting) onWait()
    return {
      exchange: exchangeOf?.(n),
      answered(status, connection) {
        const now = elapsed()
        tried.status = status
        tried.headersMs = now
        if (connection) connected(tried, connection)
        begin('first', upstream, n, now)
      },
      begun() {
        tried.firstMs = elapsed()
        end(tried.firstMs)
      },
      failed({ code, message }: GatewayError) {
        tried.error = { code, message }
        tried.endedMs = elapsed()
        end(tried.endedMs)
      },
      ended() {
        tried.endedMs ??= elapsed()
      },
    }
  }

  /** Divides the wait for the headers at the moment at which the connection was open. */
  function connected(tried: Try, { reused, connectMs }: ConnectionFacts): void {
    tried.reused = reused
    if (current?.kind !== 'headers' || connectMs === undefined) return
    const openMs = tried.startedMs + connectMs
    const connect: TimedStep = { ...current, kind: 'connect', toMs: openMs }
    steps.splice(steps.lastIndexOf(current), 1, connect, current)
    current.fromMs = openMs
  }
}

function isWait({ kind }: TimedStep): boolean {
  return kind === 'queue' || kind === 'backoff'
}
