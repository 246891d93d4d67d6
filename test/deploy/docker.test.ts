import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Glob } from 'bun'
import { validate } from 'dockerfile-utils'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zai2api-docker-'))
  writeFileSync(join(folder, 'zai2api'), '#!/bin/sh\necho "started with $*"\n')
  chmodSync(join(folder, 'zai2api'), 0o755)
})
afterEach(() => rmSync(folder, { recursive: true }))

describe.skipIf(process.platform === 'win32')('the first process of the container', () => {
  const start = () =>
    Bun.spawnSync(['/bin/sh', join(import.meta.dir, '../../deploy/docker-entrypoint.sh'), 'serve', '--port', '1'], {
      env: { PATH: `${folder}:${process.env.PATH}`, ZAI2API_CONFIG: join(folder, 'zai2api.toml') },
    })
  /** Another program under this name comes first. */
  const stub = (name: string, text: string) => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(folder, name), 0o755)
  }

  test('makes a key once, for itself alone, and becomes the program', () => {
    expect(String(start().stdout)).toBe('started with serve --port 1\n')
    const file = join(folder, 'zai2api.toml')
    const first = readFileSync(file, 'utf8')
    expect(Bun.TOML.parse(first)).toEqual({ auth_token: expect.stringMatching(/^sk-[0-9a-f]{48}$/) })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    start()
    expect(readFileSync(file, 'utf8')).toBe(first)
  })

  test.each<[string, string, string]>([
    ['od fails', 'od', 'exit 1'],
    ['od gives too little', 'od', 'echo 00 01'],
    ['tr gives too little', 'tr', 'echo 0001'],
    ['mv fails', 'mv', 'exit 1'],
  ])('does not start where %s, and leaves no file that a start would take for made', (_name, program, text) => {
    stub(program, text)
    const { exitCode, stdout } = start()
    expect([exitCode === 0, String(stdout), existsSync(join(folder, 'zai2api.toml'))]).toEqual([false, '', false])
    rmSync(join(folder, program))
    expect(String(start().stdout)).toBe('started with serve --port 1\n')
  })

  test('makes the key where a start that was killed has left an empty file', () => {
    writeFileSync(join(folder, 'zai2api.toml'), '')
    start()
    expect(readFileSync(join(folder, 'zai2api.toml'), 'utf8')).toMatch(/^auth_token = "sk-[0-9a-f]{48}"$/m)
  })

  test('does not start without a place for the key', () => {
    rmSync(folder, { recursive: true })
    expect(start().exitCode).not.toBe(0)
    Bun.spawnSync(['mkdir', folder])
  })
})

describe('the image', () => {
  const dockerfile = readFileSync('deploy/Dockerfile', 'utf8')
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths = '']) => paths.split(' '))
  const sent = readFileSync('deploy/Dockerfile.dockerignore', 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []))

  test('has nothing that a linter complains of, and a slip would be seen', () => {
    expect(validate(dockerfile)).toEqual([])
    expect(validate(dockerfile.replace('EXPOSE 8080', 'EXPOSE http'))).toHaveLength(1)
  })

  test('is built from what is sent to the engine, and nothing else is', () => {
    expect(copied.toSorted()).toEqual(sent.toSorted())
  })

  test('keeps what is secret or made on this machine out of its layers', () => {
    const lines = readFileSync('deploy/Dockerfile.dockerignore', 'utf8').trim().split('\n')
    const lastSent = lines.findLastIndex((line) => line.startsWith('!'))
    // deploy/.env is where Docker Compose looks for settings.
    expect(lines.slice(lastSent + 1)).toEqual(['**/.env*', '**/*.log', '**/*.sqlite*', '**/*.pem'])
  })

  test('gets every file that the build imports', async () => {
    const transpilers = { '.ts': new Bun.Transpiler({ loader: 'ts' }), '.tsx': new Bun.Transpiler({ loader: 'tsx' }) }
    const missing: string[] = []
    for (const path of new Glob('{src,deploy}/**/*.{ts,tsx}').scanSync('.'))
      for (const { path: target } of transpilers[path.endsWith('x') ? '.tsx' : '.ts'].scanImports(
        await Bun.file(path).text(),
      )) {
        if (!target.startsWith('.')) continue
        const file = join(path, '..', target)
        if (!copied.some((each) => file === each || file.startsWith(`${each}/`))) missing.push(`${path}: ${file}`)
      }
    expect(missing).toEqual([])
  })

  test('runs as nobody in particular, with its state in a volume, and is asked whether it lives', () => {
    const finalStage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '))
    expect(finalStage).toMatch(/^USER 65532:65532$/m)
    expect(finalStage).toMatch(/^VOLUME \/data$/m)
    expect(finalStage).toMatch(/^HEALTHCHECK .+$/m)
    expect(dockerfile).not.toMatch(/^FROM .+:latest/m)
  })
})

test('the compose file needs no .env, keeps the state in a volume, and gives the container no more than it needs', () => {
  const text = readFileSync('deploy/docker-compose.yml', 'utf8')
  expect(Bun.YAML.parse(text)).toEqual({
    services: {
      zai2api: {
        build: { context: '..', dockerfile: 'deploy/Dockerfile' },
        image: 'zai2api',
        env_file: [{ path: '../.env', required: false }],
        environment: { HOST: '0.0.0.0', LISTEN_PORT: 8080 },
        // Nobody else's machine reaches it before somebody wants that.
        ports: ['127.0.0.1:8080:8080'],
        volumes: ['data:/data'],
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        ulimits: { nofile: 65_536 },
        restart: 'unless-stopped',
        stop_grace_period: '45s',
      },
    },
    volumes: { data: null },
  })
})
