import { systemClock } from '../../src/async/system-clock.ts'
import { stopRequested } from '../../src/cli/commands/serve.ts'
import { createLog } from '../../src/observe/log.ts'
import { listen } from '../../src/server/listen.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp } from './gateway.ts'

// A server whose upstream causes an uncaught error with every call: `stray.ts rejection` or `stray.ts throw`.

const log = createLog({
  level: () => 'info',
  format: 'text',
  now: systemClock.now,
  redact: (text) => text,
  write: (line) => void process.stderr.write(line()),
})
const leaveBehind = {
  rejection: () => void Promise.reject(new Error('a stray rejection')),
  throw: () =>
    void setTimeout(() => {
      throw new Error('a stray throw')
    }, 0),
}[process.argv[2] === 'throw' ? 'throw' : 'rejection']
const stopped = stopRequested(log)
const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 20 })
const careless: typeof upstream = {
  ...upstream,
  open(call) {
    leaveBehind()
    return upstream.open(call)
  },
}
const server = listen(gatewayApp([careless]), '127.0.0.1', 0)
process.stdout.write(`${server.url}\n`)
const { reason, exitCode } = await stopped
log.info('stopping', { reason })
await server.stop(10_000)
process.exit(exitCode)
