/** Starts the thread that reads one PDF. It knows none of our keys, and a program that ends does not wait for it. */
export function startPdfThread(): Worker {
  return new Worker(new URL('./pdf-worker.ts', import.meta.url).href, { env: {}, smol: true, ref: false })
}
