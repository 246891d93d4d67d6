import { endure } from '../../src/cli/serve.ts'
import { createLog } from '../../src/observe/log.ts'
import { listen } from '../../src/server.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { systemClock } from '../../src/wire/clock.ts'
import { gatewayApp } from './gateway.ts'

// A server whose upstream leaves behind a rejected promise and a timer that throws, each time it is asked.

const log = createLog({
  level: () => 'info',
  format: 'text',
  now: systemClock.now,
  write: (line) => void process.stderr.write(line()),
})
endure(log)
const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
const careless: typeof upstream = {
  ...upstream,
  open(call) {
    void Promise.reject(new Error('a stray rejection'))
    setTimeout(() => {
      throw new Error('a stray throw')
    }, 0)
    return upstream.open(call)
  },
}
const { url } = listen(gatewayApp([careless]), '127.0.0.1', 0)
process.stdout.write(`${url}\n`)
