import { fieldOf } from '../support/chat-zai.ts'
import type { Recital } from './upstream.ts'

// A separate process: sends requests to the gateway as configured, and prints the results as one line of JSON.

export interface Load {
  url: string
  clients: number
  /** At a time. */
  concurrency: number
  recital: Recital
  /** Leaves at a random moment within so many milliseconds; `undefined` stays to the end. */
  leaveWithinMs?: number
  /** No client begins after so many milliseconds. */
  untilMs: number
}

export interface Outcome {
  /** Clients that were started. */
  asked: number
  /** Complete replies: every number, in order, and the end. */
  whole: number
  /** Answers that ended in an error of the gateway's. */
  errors: number
  /** Replies that were cut without an error. */
  cut: number
  /** Replies that ended normally with something missing or wrong. */
  wrong: number
  left: number
  characters: number
}

async function main(load: Load): Promise<Outcome> {
  const outcome: Outcome = { asked: 0, whole: 0, errors: 0, cut: 0, wrong: 0, left: 0, characters: 0 }
  const deadline = performance.now() + load.untilMs
  const client = async () => {
    while (outcome.asked < load.clients && performance.now() < deadline) {
      outcome.asked++
      outcome[await ask(load, outcome)]++
    }
  }
  await Promise.all(Array.from({ length: load.concurrency }, client))
  return outcome
}

async function ask(
  { url, recital, leaveWithinMs }: Load,
  outcome: Outcome,
): Promise<'whole' | 'errors' | 'cut' | 'wrong' | 'left'> {
  const leaving = new AbortController()
  const timer =
    leaveWithinMs === undefined ? undefined : setTimeout(() => leaving.abort(), Math.random() * leaveWithinMs)
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      signal: leaving.signal,
      body: JSON.stringify({
        model: 'glm-4.7',
        stream: true,
        messages: [{ role: 'user', content: JSON.stringify(recital) }],
      }),
    })
    const said = await response.text()
    if (!response.ok) return 'errors'
    const text = textOf(said)
    outcome.characters += text.length
    if (said.includes('data: {"error"')) return 'errors'
    const expected = Array.from({ length: recital.numbers }, (_, number) => `${number} `).join('')
    return text === expected && said.endsWith('data: [DONE]\n\n') ? 'whole' : 'wrong'
  } catch {
    return leaving.signal.aborted ? 'left' : 'cut'
  } finally {
    clearTimeout(timer)
  }
}

function textOf(said: string): string {
  return said
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => {
      const choices = fieldOf(JSON.parse(event.slice('data: '.length)), 'choices')
      const content = Array.isArray(choices) ? fieldOf(fieldOf(choices[0], 'delta'), 'content') : undefined
      return typeof content === 'string' ? content : ''
    })
    .join('')
}

if (import.meta.main) console.log(JSON.stringify(await main(JSON.parse(process.argv[2] ?? ''))))
