/** Time as an argument, so that tests own it. */
export interface Clock {
  /**
   * Epoch milliseconds, for dates only: signatures, log lines, expiry dates. The machine's clock may be set back or
   * forward at any moment.
   */
  now(): number
  /** Milliseconds since some moment, for durations: never set, so a difference is what really went by. */
  monotonic(): number
  /** Calls `run` once after `ms` milliseconds, 0 being the next turn of the event loop; the returned function calls it off. */
  after(ms: number, run: () => void): () => void
}

/** Settles as `promise` does, or after `ms` milliseconds as what `late` returns, whichever is first. */
export function withTimeout<Value, Late>(
  promise: Promise<Value>,
  ms: number,
  late: () => Late | Promise<Late>,
  clock: Clock,
): Promise<Value | Late> {
  return new Promise((resolve, reject) => {
    const stop = clock.after(ms, () => resolve(late()))
    promise.then(
      (value) => {
        stop()
        resolve(value)
      },
      (thrown) => {
        stop()
        reject(thrown)
      },
    )
  })
}
