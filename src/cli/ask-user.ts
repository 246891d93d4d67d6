import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

export type AskUser = (question: string, options?: { hidden?: boolean }) => Promise<string>

/** Asks the user at the terminal. The answer to a hidden question is not shown. Rejects if the input ends. */
export const askAtTerminal: AskUser = async (question, { hidden = false } = {}) => {
  const echo = new Writable({
    write(chunk, _encoding, done) {
      if (!hidden) process.stdout.write(chunk)
      done()
    },
  })
  const lines = createInterface({ input: process.stdin, output: echo, terminal: true })
  // From here on the terminal echoes nothing, not even what was typed ahead.
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
