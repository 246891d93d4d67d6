/** Time as an argument, so that tests own it. */
export interface Clock {
  /**
   * Epoch milliseconds, for dates only: signatures, log lines, expiry dates. The machine's clock may be set back or
   * forward at any moment.
   */
  now(): number
  /**
   * Milliseconds since an arbitrary moment, for durations: it is never set back, so differences are real elapsed time.
   */
  monotonic(): number
  /**
   * Calls `run` once after `ms` milliseconds; 0 means the next turn of the event loop. The returned function cancels
   * it.
   */
  after(ms: number, run: () => void): () => void
}

/** Settles like `promise`, or with what `late` returns after `ms` milliseconds, whichever comes first. */
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
