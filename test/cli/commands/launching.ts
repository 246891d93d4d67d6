import { expect } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { programNames } from '../../../src/cli/client-programs.ts'

export const main = resolve(import.meta.dir, '../../../src/main.ts')
export const sharedScript = resolve(import.meta.dir, '../../support/command-lines.ts')
export const folder = mkdtempSync(join(tmpdir(), 'zai2api-launch-'))
export const home = join(folder, 'home')

/** A fake client: prints its arguments, its environment and the gateway's response on one line, then acts as configured. */
const fakeClient = `
const { FAKE: action = '0', ...env } = process.env
const files = [env.CLINE_PROVIDER_SETTINGS_PATH, env.CRUSH_GLOBAL_CONFIG && env.CRUSH_GLOBAL_CONFIG + '/crush.json', process.argv[3]]
const inFile = () => /http:[/][/]127[.:0-9]+/.exec(files.map((file) => { try { return require('fs').readFileSync(file, 'utf8') } catch { return '' } }).join())?.[0]
const url = env.ANTHROPIC_BASE_URL ?? env.GOOGLE_GEMINI_BASE_URL ?? (env.OPENAI_BASE_URL ?? env.OPENAI_API_BASE)?.slice(0, -3) ?? env.OPENAI_HOST ?? inFile() ?? env.GATEWAY ?? 'http://127.0.0.1:1'
const key = env.ANTHROPIC_AUTH_TOKEN ?? env.GEMINI_API_KEY ?? env.ZAI2API_KEY ?? env.OPENAI_API_KEY ?? /sk-[0-9A-Za-z]{32}/.exec(require('fs').readFileSync(files[0], 'utf8'))?.[0]
const codexUrl = /base_url="(.+)\\/v1"/.exec(process.argv.join('\\n'))?.[1]
const opencodeUrl = env.OPENCODE_CONFIG_CONTENT && JSON.parse(env.OPENCODE_CONFIG_CONTENT).provider.zai2api.options.baseURL.slice(0, -3)
const ask = (authorization) => fetch((codexUrl ?? opencodeUrl ?? url) + '/v1/models', { headers: { authorization }, proxy: false }).then(({ status }) => status, () => 0)
const said = { args: process.argv.slice(2), env, status: await ask('Bearer ' + key), stranger: await ask('Bearer stranger') }
console.log(JSON.stringify(said))
if (action === 'die') process.kill(process.pid, 'SIGKILL')
if (action === 'wait') {
  process.on('SIGTERM', () => process.exit(23))
  process.on('SIGINT', () => process.exit(24))
  setInterval(() => {}, 1000)
  console.log('waiting')
} else process.exit(Number(action))
`

export async function installFakeClients() {
  await Bun.write(join(folder, 'fake.js'), fakeClient)
  for (const name of programNames) {
    const path = join(folder, 'bin', name)
    await Bun.write(path, `#!/bin/sh\nexec '${process.execPath}' --no-env-file '${join(folder, 'fake.js')}' "$@"\n`)
    chmodSync(path, 0o755)
  }
  await Bun.write(join(home, '.keep'), '')
}

export function removeFakeClients() {
  shared?.kill()
  // Another file may start it again.
  shared = undefined
  output = undefined
  rmSync(folder, { recursive: true })
}

export interface Said {
  args: string[]
  env: Record<string, string>
  status: number
  stranger: number
}

type Env = Record<string, string>

export const usualEnv = { PATH: join(folder, 'bin'), HOME: home }
export const demoEnv = { ...usualEnv, UPSTREAMS: 'demo' }
export const onFreePort = (args: string[]) => ['--port', '0', ...args]

/** The real program. */
export function spawn(args: string[], env: Env, cwd = home) {
  return Bun.spawn([process.execPath, main, ...args], { cwd, env, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
}

interface Ended {
  code: number
  stdout: string
  stderr: string
}

export async function runProgram(args: string[], env: Env, cwd = home): Promise<Ended> {
  const child = spawn(args, env, cwd)
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  return { code, stdout, stderr }
}

let shared: Bun.Subprocess<'pipe', 'pipe', 'inherit'> | undefined
let output: AsyncIterator<string> | undefined

/** The same commands in a process that the tests share. Its own environment and folder are not those of the command. */
export async function runShared(args: string[], env: Env, cwd = home): Promise<Ended> {
  shared ??= Bun.spawn([process.execPath, '--no-env-file', sharedScript], {
    ...{ cwd: home, env: { HOME: home }, stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' },
  })
  output ??= shared.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
  shared.stdin.write(`${JSON.stringify({ args, env, cwd })}\n`)
  for (let text = ''; ; ) {
    const { done, value = '' } = await output.next()
    if (done) throw new Error(`the shared process ended after ${text}`)
    text += value
    const [end, stdout = '', result = ''] = /^(.*?)(\{"code":.*)\n$/s.exec(text) ?? []
    if (end !== undefined) return { stdout, ...JSON.parse(result) }
  }
}

export function run(args: string[], env: Env = {}): Promise<Ended> {
  return runShared(onFreePort(args), { ...demoEnv, ...env })
}

export async function said(args: string[], env: Env = {}): Promise<Said> {
  const { stdout, stderr } = await run(args, env)
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}
