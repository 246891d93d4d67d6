/**
 * One step of a stream: an input goes in, zero or more outputs are appended to `out`.
 * Synchronous; state is private. Appending to the caller's array keeps a network read at one array however many
 * events it held.
 */
export interface Machine<In, Out> {
  push(input: In, out: Out[]): void
  /** Called once, after the last input. */
  end(out: Out[]): void
}

/** Two machines as one: what `first` says is what `second` hears. */
export function chain<In, Mid, Out>(first: Machine<In, Mid>, second: Machine<Mid, Out>): Machine<In, Out> {
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
  }
}

/** The whole output of a machine for a whole input. */
export function run<In, Out>(machine: Machine<In, Out>, inputs: Iterable<In>): Out[] {
  const out: Out[] = []
  for (const input of inputs) machine.push(input, out)
  machine.end(out)
  return out
}
