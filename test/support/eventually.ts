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
