import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/** The agents as npm has them, pinned: what they send changes from week to week. */
export const agents = {
  'Claude Code 2.1.332': { name: '@anthropic-ai/claude-code', version: '2.1.332', program: 'claude' },
  /** What npm picks for node 20. */
  'Claude Code 2.1.197': { name: '@anthropic-ai/claude-code', version: '2.1.197', program: 'claude' },
  'Codex 0.171.0': { name: '@openai/codex', version: '0.171.0', program: 'codex' },
  'Gemini CLI 0.61.0': { name: '@google/gemini-cli', version: '0.61.0', program: 'gemini' },
  'opencode 1.18.33': { name: 'opencode-ai', version: '1.18.33', program: 'opencode' },
  'pi 0.73.1': { name: '@mariozechner/pi-coding-agent', version: '0.73.1', program: 'pi' },
  'Cline CLI 3.0.65': { name: 'cline', version: '3.0.65', program: 'cline' },
  /** It needs node 22, whatever else is there. */
  'Qwen Code 0.24.4': { name: '@qwen-code/qwen-code', version: '0.24.4', program: 'qwen', beside: ['node@22.23.3'] },
} as const satisfies Record<string, Package>

export type Agent = keyof typeof agents

interface Package {
  name: string
  version: string
  /** What it is called on the command line. */
  program: string
  /** Packages that it runs on. */
  beside?: readonly string[]
}

const cache = resolve(import.meta.dir, '../../../.cache/agents')
const installDeadlineMs = 180_000

/** The folder to put on the PATH; `undefined` where `make test-agents` could not install the agent. */
export function binOf(agent: Agent): string | undefined {
  const bin = binIn(folderOf(agents[agent]))
  return existsSync(bin) ? bin : undefined
}

function folderOf({ program, version }: Package): string {
  return join(cache, `${program}-${version}`)
}

function binIn(folder: string): string {
  return join(folder, 'node_modules', '.bin')
}

/** Installs what is missing. Resolves with what npm said where that failed twice. */
async function install(wanted: Package): Promise<string | undefined> {
  const folder = folderOf(wanted)
  if (existsSync(folder)) return undefined
  // A folder of its own until all is well: half an installation must not be taken for one.
  const draft = `${folder}.draft`
  let failure: string | undefined
  for (let attempt = 1; attempt <= 2; attempt++) {
    await rm(draft, { recursive: true, force: true })
    await mkdir(draft, { recursive: true })
    failure = (await npmInstall(wanted, draft)) ?? (await trial(wanted, draft))
    if (failure !== undefined) continue
    await rename(draft, folder)
    return undefined
  }
  await rm(draft, { recursive: true, force: true })
  return failure
}

function npmInstall({ name, version, beside = [] }: Package, folder: string): Promise<string | undefined> {
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--no-save', '--loglevel=error', '--fetch-retries=1']
  const flags = ['--prefix', folder, '--ignore-scripts', ...quiet]
  return complaintOf(['npm', 'install', ...flags, `${name}@${version}`, ...beside])
}

/** What fetches the native part of an agent, or of node, where it is no package. */
const installScripts = ['install.cjs', 'postinstall.mjs', 'installArchSpecificPackage.js']

/** Starts it. If it does not start, its own script is run, and that of node: no other package of hundreds runs one. */
async function trial({ name, program, version, beside = [] }: Package, folder: string): Promise<string | undefined> {
  const start = [join(binIn(folder), program), '--version']
  const failed = await complaintOf(start, { bin: binIn(folder) })
  if (failed === undefined) return undefined
  const packages = [name, ...beside.map((each) => each.replace(/@[^@]+$/, ''))]
  const scripts = packages.flatMap((each) => installScripts.map((file) => join(folder, 'node_modules', each, file)))
  const found = scripts.filter(existsSync)
  if (found.length === 0) return `${program} ${version} does not start: ${failed}`
  for (const script of found) {
    const complaint = await complaintOf(['node', script], { cwd: dirname(script) })
    if (complaint !== undefined) return complaint
  }
  return complaintOf(start, { bin: binIn(folder) })
}

interface Place {
  /** A folder in front of the PATH. */
  bin?: string
  cwd?: string
}

async function complaintOf(command: string[], { bin = '', cwd }: Place = {}): Promise<string | undefined> {
  const env = { ...process.env, PATH: [bin, process.env.PATH].join(':') }
  try {
    const child = Bun.spawn(command, {
      env,
      ...(cwd !== undefined && { cwd }),
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
      timeout: installDeadlineMs,
    })
    const [code, said] = await Promise.all([child.exited, new Response(child.stderr).text()])
    return code === 0 ? undefined : said.trim() || `${command[0]} ended with ${child.signalCode ?? code}`
  } catch (cause) {
    // A file that stands in for the native part is none that can be run.
    return String(cause)
  }
}

const offlineToo = 'ENETUNREACH, as before'
const unreachable = /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED)\b/

// `make test-agents` installs first, for an answer of one line an agent.
if (import.meta.main) {
  let offline = false
  for (const [agent, wanted] of Object.entries(agents)) {
    // Who waits for the network once need not wait for it four times.
    const failure = offline && !existsSync(folderOf(wanted)) ? offlineToo : await install(wanted)
    if (failure === undefined) continue
    offline = unreachable.test(failure)
    const mayMiss = process.env.CI !== 'true' && offline
    const [why] = failure.split('\n')
    console.error(`${agent} is ${mayMiss ? 'left out: npm cannot reach its registry' : 'not installed'}: ${why}`)
    if (!mayMiss) process.exitCode = 1
  }
}
