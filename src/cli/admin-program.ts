import type { ServingProgram } from '../admin/operator-context.ts'
import { rounded } from '../admin/request-row.ts'
import type { DoctorStep } from '../admin/schema/doctor.ts'
import type { Setup } from '../admin/schema/setups.ts'
import { systemClock } from '../async/system-clock.ts'
import { stateFolder } from '../config/folders.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Finding } from '../core/finding.ts'
import { dialects } from '../dialects/index.ts'
import type { Gateway } from '../gateway/index.ts'
import { replyAddresses } from '../http/hints.ts'
import { programs } from './client-programs.ts'
import { clientTargetIn } from './client-target.ts'
import { type Client, clientSetups } from './clients/index.ts'
import { configRows } from './commands/config.ts'
import { examine } from './commands/doctor/index.ts'
import { commandReaching } from './greeting.ts'
import type { Io } from './io.ts'
import { setupText } from './setup-text.ts'

/** What the operator's page can show about this program. `loaded` gives the running configuration. */
export function programOf(
  gateway: Pick<Gateway, 'models' | 'model'>,
  loaded: () => LoadedConfig,
  io: Io,
): ServingProgram {
  // A guess, until a run has shown how many checks there are.
  let checks = localChecks + loaded().config.upstreams.length + replyAddresses(dialects).length

  return {
    async setups(url) {
      const { config } = loaded()
      // The page never has the key itself.
      const key = config.authToken === undefined ? 'anything' : 'your-key'
      const target = await clientTargetIn(gateway, { url, key }, loaded())
      const self = commandReaching(url, config, io)
      const setups = (Object.keys(clientSetups) as Client[]).map((client): Setup => {
        const command = Object.hasOwn(programs, client) ? { command: `${self} ${client}` } : {}
        return { client, label: clientSetups[client].label, ...command, text: setupText(client, target, 'bash') }
      })
      return [...setups, curl(url, key, target.primary.id)]
    },
    system(url) {
      const folder = stateFolder(io.env)
      const rows = configRows(loaded())
      const database = rows.find(({ name }) => name === 'DATABASE_URL')?.value
      return {
        platform: `${process.platform}-${process.arch}`,
        runtime: `bun ${Bun.version}`,
        pid: process.pid,
        memory_bytes: process.memoryUsage.rss(),
        command: commandReaching(url, loaded().config, io),
        ...(folder === undefined ? {} : { state_folder: folder }),
        ...(database === undefined ? {} : { database }),
        config: rows,
      }
    },
    licences: async () => (await import('./licences/bundled-packages.ts')).packages,
    async *doctor(signal) {
      let n = 0
      let before = systemClock.monotonic()
      for await (const finding of examine(loaded, io, { isWithin: true })) {
        if (signal.aborted) return
        const now = systemClock.monotonic()
        checks = Math.max(checks, ++n)
        yield stepOf(finding, { n, of: checks, ms: rounded(now - before) })
        before = now
      }
      checks = n
    },
  }
}

/** The number of checks of this machine and its configuration. */
const localChecks = 4

function curl(url: string, key: string, model: string): Setup {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] })
  const lines = [`curl ${url}/v1/chat/completions`, `-H 'authorization: Bearer ${key}'`, `-d '${body}'`]
  return { client: 'curl', label: 'curl', text: `${lines.join(' \\\n  ')}\n` }
}

const states = { pass: 'ok', warn: 'warn', fail: 'fail', skip: 'skip' } as const

function stepOf({ status, check, says, next }: Finding, place: Pick<DoctorStep, 'n' | 'of' | 'ms'>): DoctorStep {
  return { ...place, name: check, state: states[status], text: says, ...(next === undefined ? {} : { fix: next }) }
}
