import { mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Agent, binOf } from './install.ts'

/** A machine of an agent's own: a home, a repository with one commit, and no way out but loopback. */
export interface Scratch {
  repository: string
  env: Record<string, string>
  /** Who somebody tried to reach elsewhere: `CONNECT example.com:443`. */
  reached: string[]
  /** Ends whoever lives here. */
  clear(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type Files = Record<string, string | Uint8Array>

/** `files` are committed before the agent comes. */
export async function scratch(agent: Agent, files: Files): Promise<Scratch> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'zai2api-agent-')))
  const home = join(root, 'home')
  const repository = join(root, 'repository')
  const wall = deadEnd()
  const env = { ...environment(root, home, binOf(agent) ?? ''), ...wall.env }
  await mkdir(env.TMPDIR)
  await Bun.write(join(home, '.gitconfig'), '[user]\nname = Scratch\nemail = scratch@example.com\n')
  await Bun.write(join(home, '.codex', 'config.toml'), codexConfig)
  await Bun.write(join(home, '.qwen', 'settings.json'), JSON.stringify(qwenSettings))
  await Bun.write(join(home, '.cline', 'data', 'settings', 'global-settings.json'), JSON.stringify(clineSettings))
  for (const [file, content] of Object.entries(files)) await Bun.write(join(repository, file), content)
  git(['init', '-q'])
  git(['add', '.'])
  git(['commit', '-qm', 'start'])
  const clear = () => killMarked(root)
  return {
    repository,
    env,
    reached: wall.reached,
    clear,
    async [Symbol.asyncDispose]() {
      await clear()
      wall.stop()
      await rm(root, { recursive: true, force: true, maxRetries: 5 })
    },
  }

  function git(args: string[]): void {
    const { exitCode, stderr } = Bun.spawnSync(['git', ...args], { cwd: repository, env })
    if (exitCode !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
  }
}

/** By this variable the processes of a scratch are known. */
const mark = 'ZAI2API_SCRATCH'

/** Nothing is inherited but the way to programs; what would call home is off by the agents' own switches. */
function environment(root: string, home: string, bin: string) {
  return {
    [mark]: root,
    PATH: [bin, process.env.PATH].join(':'),
    HOME: home,
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_DATA_HOME: join(home, '.local', 'share'),
    XDG_STATE_HOME: join(home, '.local', 'state'),
    XDG_CACHE_HOME: join(home, '.cache'),
    // Not around the home: Codex keeps its helpers out of temporary folders.
    TMPDIR: join(root, 'tmp'),
    SHELL: '/bin/bash',
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
    DISABLE_AUTOUPDATER: '1',
    PI_OFFLINE: '1',
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    // opencode installs a package for plug-ins where it can.
    npm_config_offline: 'true',
  }
}

const codexConfig = `check_for_update_on_startup = false
[analytics]
enabled = false
[features]
plugins = false
apps = false
`

const qwenSettings = {
  privacy: { usageStatisticsEnabled: false },
  memory: { enableManagedAutoMemory: false, enableManagedAutoDream: false },
  general: { enableAutoUpdate: false },
}
const clineSettings = { telemetryOptOut: true, autoUpdateEnabled: false }

/** A proxy that lets nobody through and remembers who asked. */
function deadEnd() {
  const reached: string[] = []
  const wall = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      data(socket, bytes) {
        reached.push(/^\S+ \S+/.exec(bytes.toString())?.[0] ?? 'something that is not HTTP')
        socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      },
    },
  })
  const url = `http://127.0.0.1:${wall.port}`
  const upper = { HTTP_PROXY: url, HTTPS_PROXY: url, ALL_PROXY: url, NO_PROXY: '127.0.0.1,localhost' }
  const lower = Object.fromEntries(Object.entries(upper).map(([name, value]) => [name.toLowerCase(), value]))
  return { reached, env: { ...upper, ...lower }, stop: () => wall.stop(true) }
}

/** Agents put their commands into sessions of their own, so no process group holds them all. */
async function killMarked(root: string): Promise<void> {
  // Only Linux tells: elsewhere a process that outlives its agent stays.
  const names = await readdir('/proc').catch(() => [])
  for (const name of names.filter((name) => /^\d+$/.test(name))) {
    const environ = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '')
    if (environ.split('\0').includes(`${mark}=${root}`)) kill(Number(name))
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
