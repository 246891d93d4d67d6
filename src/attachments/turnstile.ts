/** Lets so many tasks run at a time; the others wait for their turn. */
export type Turnstile = <Result>(task: () => Promise<Result>) => Promise<Result>

export function turnstile(most: number): Turnstile {
  let running = 0
  const waiting: (() => void)[] = []

  return async (task) => {
    if (running === most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await task()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
