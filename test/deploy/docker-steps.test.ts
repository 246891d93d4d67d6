import { afterAll, describe, expect, test } from 'bun:test'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/ports.ts'

// The steps of the Dockerfile without a Docker engine: they are run one by one, each stage in a folder that stands for its
// root, with the node and the shell of this machine. `make smoke` does so, since it takes a minute.
const isAsked = process.env.BINARY !== undefined && process.platform === 'linux'

interface Instruction {
  name: string
  /** `--from=build` → `from`, `build`. */
  flags: ReadonlyMap<string, string>
  text: string
}

const instructions: readonly Instruction[] = readFileSync('deploy/Dockerfile', 'utf8')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [, name = '', flags = '', text = ''] = /^(\w+)((?: --\S+)*) (.+)$/.exec(line) ?? []
    return {
      name,
      flags: new Map([...flags.matchAll(/--([\w-]+)=(\S+)/g)].map(([, key = '', value = '']) => [key, value])),
      text,
    }
  })

describe.skipIf(!isAsked)('the steps of the image (make smoke)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-image-'))
  const running: Bun.Subprocess[] = []
  afterAll(async () => {
    for (const child of running) child.kill()
    await Promise.all(running.map(({ exited }) => exited))
    rmSync(folder, { recursive: true, force: true })
  })

  test('build an executable that makes its key, answers, and passes its health check', async () => {
    const image = built(folder)
    const port = String(await freePort())
    const env = {
      ...image.env,
      LISTEN_PORT: port,
      UPSTREAMS: 'demo',
      PATH: `${image.root}/usr/local/bin:${process.env.PATH}`,
    }
    const start = Bun.spawn([...image.entry, ...image.command], {
      cwd: image.root,
      env,
      stdout: 'ignore',
      stderr: 'pipe',
    })
    running.push(start)
    const isHealthy = () => Bun.spawnSync(image.health, { env }).exitCode === 0
    await eventually(() => {
      if (!isHealthy()) throw new Error('the health check does not pass')
    })
    const file = join(image.root, 'data/zai2api.toml')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const [, key = ''] = /auth_token = "(.+)"/.exec(readFileSync(file, 'utf8')) ?? []
    const ask = (headers: Record<string, string>) =>
      fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content: 'Hello!' }] }),
      })
    expect((await ask({})).status).toBe(401)
    expect((await ask({ authorization: `Bearer ${key}` })).status).toBe(200)
    start.kill('SIGTERM')
    expect(await start.exited).toBe(0)
    expect(existsSync(join(image.root, 'data/zai2api.sqlite'))).toBe(true)
    expect(isHealthy()).toBe(false)
  }, 300_000)
})

interface Image {
  root: string
  env: Record<string, string>
  entry: string[]
  command: string[]
  health: string[]
}

/** Runs the instructions, each stage in a folder of its own inside `folder`. */
function built(folder: string): Image {
  const image: Image = { root: '', env: {}, entry: [], command: [], health: [] }
  const stages = new Map<string, string>()
  let workdir = '/'
  const inside = (path: string) => join(image.root, path.startsWith('/') ? path : join(workdir, path))
  /** The roots of these machines are elsewhere, so absolute paths of the image are led there. */
  const here = (text: string) => text.replaceAll(/(?<![\w.])\/(?:data|src)\b/g, (path) => image.root + path)
  for (const { name, flags, text } of instructions) {
    if (name === 'FROM') {
      const [, stage = 'final'] = / AS (\w+)$/.exec(text) ?? []
      image.root = join(folder, stage)
      stages.set(stage, image.root)
      mkdirSync(image.root)
    } else if (name === 'WORKDIR') {
      workdir = text
      mkdirSync(inside('.'), { recursive: true })
    } else if (name === 'COPY') {
      const paths = text.split(' ')
      const target = inside(paths.pop() ?? '')
      const from = stages.get(flags.get('from') ?? '') ?? process.cwd()
      const intoFolder = text.endsWith('/') || paths.length > 1
      for (const path of paths)
        cpSync(join(from, path), intoFolder ? join(target, basename(path)) : target, { recursive: true })
    } else if (name === 'RUN') {
      const { exitCode, stderr } = Bun.spawnSync(['sh', '-c', here(text)], { cwd: inside('.'), stdout: 'ignore' })
      if (exitCode !== 0) throw new Error(`RUN ${text}: ${stderr}`)
    } else if (name === 'ENV')
      for (const [, key = '', value = ''] of text.matchAll(/(\w+)=(\S+)/g)) image.env[key] = here(value)
    else if (name === 'ENTRYPOINT') image.entry = JSON.parse(text)
    else if (name === 'CMD') image.command = JSON.parse(text)
    else if (name === 'HEALTHCHECK') image.health = JSON.parse(text.slice(text.indexOf('[')))
  }
  return image
}
