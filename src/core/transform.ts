import type { TextKind } from './events.ts'

/**
 * One step of a stream: each input appends zero or more outputs to `out`.
 * A transform is synchronous and keeps its state private. Outputs go into the caller's array, so that one network read
 * needs one array however many events it held.
 */
export interface Transform<In, Out> {
  push(input: In, out: Out[]): void
  /** Called once, after the last input. */
  end(out: Out[]): void
  /**
   * Says whether text of this kind currently comes out piece by piece exactly as it goes in, and will do so until
   * another kind of input goes in. Such text may be written to the client first and pushed afterwards, joined.
   * A transform without this method has to see each piece.
   */
  passthrough?(kind: TextKind): Passthrough
  /**
   * A promise that settles once the transform has the answer it waits for from elsewhere. Until then it buffers what is
   * pushed; afterwards `resume` continues. The promise never rejects. Only the last transform of a chain may have one.
   */
  pending?(): Promise<void> | undefined
  resume?(out: Out[]): void
}

/** `true`: all pieces pass unchanged. `false`: none. A pattern (ASCII only): the pieces that do not match it pass. */
export type Passthrough = boolean | RegExp

/** What passes both transforms unchanged. Two different patterns count as `false`: no chain has more than one. */
export function passthroughOfBoth(first: Passthrough | undefined, second: Passthrough | undefined): Passthrough {
  if (first === true || first === second) return second ?? false
  return second === true ? (first ?? false) : false
}

/** Joins two transforms into one: the outputs of `first` are the inputs of `second`. */
export function chain<In, Mid, Out>(first: Transform<In, Mid>, second: Transform<Mid, Out>): Transform<In, Out> {
  const between: Mid[] = []
  const drain = (out: Out[]) => {
    for (const item of between) second.push(item, out)
    between.length = 0
  }
  const chained: Transform<In, Out> = {
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
  }
  if (second.pending && second.resume) {
    chained.pending = second.pending
    chained.resume = second.resume
  }
  return chained
}

/** The whole output of a transform for a whole input. */
export function runTransform<In, Out>(transform: Transform<In, Out>, inputs: Iterable<In>): Out[] {
  const out: Out[] = []
  for (const input of inputs) transform.push(input, out)
  transform.end(out)
  return out
}
