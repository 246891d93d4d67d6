import { type Commands, runCli } from '../../src/cli/index.ts'
import type { Config } from '../../src/config/load.ts'

interface Run {
  code: number
  stdout: string
  stderr: string
  /** The commands that were started, with their arguments. */
  started: { name: keyof Commands; config?: Config; json?: boolean; given?: unknown }[]
}

export async function run(
  line: string | string[],
  env: Record<string, string> = {},
  files: Record<string, string> = {},
) {
  const result: Run = { code: -1, stdout: '', stderr: '', started: [] }
  const io = {
    env,
    cwd: '/srv',
    readFile: (path: string) => files[path],
    stdout(text: string) {
      result.stdout += text
    },
    stderr(text: string) {
      result.stderr += text
    },
    version: '1.2.3',
  }
  const commands: Commands = {
    setup: async (_io, given) => result.started.push({ name: 'setup', given }) - 1,
    serve: async ({ config }) => result.started.push({ name: 'serve', config }) - 1,
    demo: async ({ config }) => result.started.push({ name: 'demo', config }) - 1,
    models: async (config, _io, { json }) => result.started.push({ name: 'models', config, json }) + 6,
    quota: async (config, _io, { json }) => result.started.push({ name: 'quota', config, json }) - 1,
    key: async (config, _io, given) => result.started.push({ name: 'key', config, given }) - 1,
    launch: async (program, args, { config }) =>
      result.started.push({ name: 'launch', config, given: [program, ...args] }) + 40,
    env: async ({ config }, _io, given) => result.started.push({ name: 'env', config, given }) - 1,
    doctor: async (load, _io, given) => result.started.push({ name: 'doctor', config: load().config, given }) - 1,
  }
  const argv = typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line
  result.code = await runCli(argv, io, commands)
  return result
}
