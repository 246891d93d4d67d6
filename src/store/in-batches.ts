interface QueuedItem<Item, Result> {
  item: Item
  resolve: (result: Result) => void
  reject: (thrown: unknown) => void
}

/** A larger batch would hold its locks for too long. */
const mostAtOnce = 200

/**
 * Runs one batch at a time. Items that arrive meanwhile form the next batch, so a row that all of them need is locked
 * once, and an item that arrives alone does not wait. `run` resolves with a result for each item, in their order. If it
 * rejects, all items of the batch reject. `onIdle` is called when no item is left.
 */
export function inBatches<Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  onIdle: () => void = () => {},
): (item: Item) => Promise<Result> {
  const waiting: QueuedItem<Item, Result>[] = []
  let isRunning = false

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!isRunning) void runAll()
    })

  async function runAll(): Promise<void> {
    isRunning = true
    while (waiting.length > 0) {
      const batch = waiting.splice(0, mostAtOnce)
      try {
        const results = await run(batch.map(({ item }) => item))
        for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result)
      } catch (thrown) {
        for (const { reject } of batch) reject(thrown)
      }
    }
    isRunning = false
    onIdle()
  }
}
