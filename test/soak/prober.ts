import { readFileSync } from 'node:fs'

// A separate process, so that no other client holds it up: asks the gateway for /healthz from the message 'begin' to the
// message 'end', and then tells the longest answers.

const [url = '', pid = ''] = process.argv.slice(2)

/** The longest answers, in milliseconds. */
export interface Longest {
  /** By the clock, which on a busy machine also counts the time of all other processes and threads. */
  wallMs: number
  /** Of CPU time of the thread that serves all requests, from the question to its answer. */
  threadMs: number
}

let asking = false

process.on('message', (told: 'begin' | 'end') => {
  asking = told === 'begin'
  if (asking) void ask().then((longest) => process.send?.(longest))
})
process.send?.('ready')

async function ask(): Promise<Longest> {
  const longest = { wallMs: 0, threadMs: 0 }
  while (asking) {
    const startedAt = performance.now()
    const usedBefore = threadMs()
    await (await fetch(`${url}/healthz`)).text()
    longest.threadMs = Math.max(longest.threadMs, threadMs() - usedBefore)
    longest.wallMs = Math.max(longest.wallMs, performance.now() - startedAt)
    await Bun.sleep(1)
  }
  return longest
}

/** The CPU time of the gateway's first thread so far. */
function threadMs(): number {
  const [nanos] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')
  return Number(nanos) / 1e6
}
