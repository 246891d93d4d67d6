import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

export type Ask = (question: string, options?: { hidden?: boolean }) => Promise<string>

/** Asks the person at the terminal. What is typed at a hidden question is not shown. Rejects if the input ends. */
export const askAtTerminal: Ask = async (question, { hidden = false } = {}) => {
  const echo = new Writable({
    write(chunk, _encoding, done) {
      if (!hidden) process.stdout.write(chunk)
      done()
    },
  })
  const lines = createInterface({ input: process.stdin, output: echo, terminal: true })
  // The terminal echoes nothing from here on, and what is typed ahead is not shown either.
  if (hidden) process.stdout.write(question)
  const { promise: ended, reject } = Promise.withResolvers<never>()
  lines.on('close', () => reject(new Error('there was no answer')))
  lines.on('SIGINT', () => lines.close())
  try {
    return (await Promise.race([lines.question(hidden ? '' : question), ended])).trim()
  } finally {
    lines.close()
    if (hidden) process.stdout.write('\n')
  }
}
