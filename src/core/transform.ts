import type { TextKind } from './events.ts'

/**
 * One step of a stream: an input goes in, zero or more outputs are appended to `out`.
 * Synchronous; state is private. Appending to the caller's array keeps a network read at one array however many
 * events it held.
 */
export interface Transform<In, Out> {
  push(input: In, out: Out[]): void
  /** Called once, after the last input. */
  end(out: Out[]): void
  /**
   * Whether pieces of such text now come out one by one as they go in, and will until anything else goes in. The
   * pieces may then be written before they go in, joined. A transform that does not say so has to see each piece.
   */
  passthrough?(kind: TextKind): Passthrough
  /**
   * Settles once a question to somebody else is answered. Until then the machine keeps what is pushed; then `resume`
   * makes it go on. It never rejects. Only the last machine of a chain may ask.
   */
  pending?(): Promise<void> | undefined
  resume?(out: Out[]): void
}

/** All pieces pass, none, or those in which a pattern of ASCII is not found. */
export type Passthrough = boolean | RegExp

/** What passes two transforms. Two patterns are one too many: nothing here has them. */
export function passthroughOfBoth(first: Passthrough | undefined, second: Passthrough | undefined): Passthrough {
  if (first === true || first === second) return second ?? false
  return second === true ? (first ?? false) : false
}

/** Two transforms as one: what `first` says is what `second` hears. */
export function chain<In, Mid, Out>(first: Transform<In, Mid>, second: Transform<Mid, Out>): Transform<In, Out> {
  const between: Mid[] = []
  const drain = (out: Out[]) => {
    for (const item of between) second.push(item, out)
    between.length = 0
  }
  return {
    push(input, out) {
      first.push(input, between)
      drain(out)
    },
    end(out) {
      first.end(between)
      drain(out)
      second.end(out)
    },
    passthrough: (kind) => passthroughOfBoth(first.passthrough?.(kind), second.passthrough?.(kind)),
    ...(second.pending && second.resume ? { pending: second.pending, resume: second.resume } : {}),
  }
}

/** The whole output of a machine for a whole input. */
export function runTransform<In, Out>(transform: Transform<In, Out>, inputs: Iterable<In>): Out[] {
  const out: Out[] = []
  for (const input of inputs) transform.push(input, out)
  transform.end(out)
  return out
}
