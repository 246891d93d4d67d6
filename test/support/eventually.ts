const stillTurns = 200

/** Waits until a count that has begun to grow has stopped, for many turns of the event loop. */
export async function standstill(count: () => number, what: string, limitMs = 60_000): Promise<void> {
  const deadline = performance.now() + limitMs
  let before = count()
  for (let still = 0; still < stillTurns; ) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain: ${what}`)
    await Bun.sleep(3)
    still = before > 0 && count() === before ? still + 1 : 0
    before = count()
  }
}

/** Tries, one attempt at a time, until one does not fail; then resolves with its value. Rejects with the last failure. */
export async function eventually<Value>(attempt: () => Promise<Value> | Value, limitMs = 15_000): Promise<Value> {
  const deadline = performance.now() + limitMs
  for (;;) {
    try {
      return await attempt()
    } catch (thrown) {
      if (performance.now() > deadline) throw thrown
      await Bun.sleep(3)
    }
  }
}
