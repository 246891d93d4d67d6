import { expect } from 'bun:test'
import { join } from 'node:path'
import { type Agent, agents } from './install.ts'
import { type Aside, type Script, scriptedModel } from './model.ts'
import { type Files, scratch } from './scratch.ts'
import { serve, zai2api } from './zai2api.ts'

export interface Setting {
  agent: Agent
  files?: Files
  /** `path` makes a name in the repository absolute. */
  script: (path: (file: string) => string) => Script
  asides?: readonly Aside[]
  /** Of the gateway. */
  env?: Record<string, string>
  /** Whom the agent calls although it was told not to: `CONNECT example.com:443`. */
  callsHome?: readonly string[]
  /** Who starts the gateway: the launcher for itself, or somebody before it, whose log is read then. */
  gateway?: 'own' | 'running'
}

/** One agent, one gateway, one model with a script. */
export async function stage(setting: Setting) {
  const { agent, files = {}, script, asides = [], env = {}, callsHome = [], gateway = 'running' } = setting
  await using stack = new AsyncDisposableStack()
  const place = stack.use(await scratch(agent, { 'README.md': 'A scratch.\n', ...files }))
  const path = (file: string) => join(place.repository, file)
  const model = stack.use(scriptedModel(script(path), asides))
  const settings = { ...model.env, LOG_FORMAT: 'json', ...env }
  const running = gateway === 'own' ? undefined : await serve(place, settings)
  const kept = stack.move()
  let said = ''

  return {
    model,
    read: (file: string) => Bun.file(path(file)).text(),
    /** Runs the agent by its launcher. Resolves with what it printed. Errors: an exit code other than `code`. */
    async run(args: string[], code = 0): Promise<string> {
      const { program } = agents[agent]
      const ran = await zai2api(place, ['--port', running?.port ?? '0', program, ...args], settings)
      said += ran.stderr
      if (ran.code !== code)
        throw new Error(`${program} ended with ${ran.code}, not ${code}\n${ran.stdout}\n${ran.stderr}`)
      return ran.stdout
    },
    /** The client, session and agent of each request that the gateway has recorded, newest first. */
    async recorded(): Promise<Recorded[]> {
      const response = await fetch(`http://127.0.0.1:${running?.port}/admin/api/requests`, { proxy: false })
      const { rows } = (await response.json()) as { rows: Recorded[] }
      return rows.map(({ client, session, agent }) => ({ client, session, agent }))
    },
    /** What the agent said on standard error so far. */
    said: () => said,
    /** What must hold at the end of every story; `troubles` are the error codes its gateway has logged. */
    async close(troubles: string[] = []): Promise<LogLine[]> {
      const lines = logLines(running === undefined ? said : await running.stop())
      const told = lines
        .filter(({ level }) => level !== 'INFO')
        .map(({ message, properties }) => properties.error ?? message)
      expect({
        troubles: told,
        complaints: await model.complaints(),
        reached: place.reached.filter((call) => !callsHome.includes(call)),
      }).toEqual({
        troubles,
        complaints: [],
        reached: [],
      })
      return lines
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

interface Recorded {
  client?: { name: string } | undefined
  session?: string | undefined
  agent?: string | undefined
}

interface LogLine {
  level: string
  message: string
  properties: { error?: string; stream?: boolean; status?: number }
}

function logLines(text: string): LogLine[] {
  return text.split('\n').flatMap((line) => (line.startsWith('{"@timestamp"') ? [JSON.parse(line)] : []))
}
