import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'
import { localHosts } from '../support/nginx.ts'
import { answers, freePort } from '../support/ports.ts'

const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/usr/local/sbin`

/** How the file in deploy is tried: on a free port of loopback, without TLS. */
const proxies = {
  nginx: {
    program: Bun.which('nginx', { PATH }),
    package: 'nginx-light',
    command: (folder: string) => ['-p', folder, '-c', 'test.conf'],
    config(folder: string, port: number, gateway: string) {
      const site = readFileSync('deploy/nginx.conf', 'utf8')
        .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
        .replace(/^ *ssl_certificate.*\n/gm, '')
        .replace('http://127.0.0.1:8080', gateway)
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (kind) => `${kind}_temp_path ${folder};`,
      )
      const main = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;`
      return { 'test.conf': `${main} events {} http { access_log off; ${temporary.join(' ')}\n${site} }` }
    },
  },
  caddy: {
    program: Bun.which('caddy', { PATH }),
    package: 'caddy',
    command: (folder: string) => ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')],
    config(_folder: string, port: number, gateway: string) {
      const site = readFileSync('deploy/Caddyfile', 'utf8')
        .replace('llm.example {', `http://:${port} {\n\tbind 127.0.0.1`)
        .replace('127.0.0.1:8080', gateway.replace('http://', ''))
      return { Caddyfile: `{\n\tadmin off\n\tauto_https off\n}\n${site}` }
    },
  },
}

/** Behind a proxy the gateway lets nobody in without one. */
const key = 'key-of-the-clients'

describe.each(Object.entries(proxies))('%s', (_name, { program, package: debian, command, config }) => {
  const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000 })], {
    access: { openaiKey: key },
    maxBodyBytes: 33_554_432,
  })
  const keyless = startGateway([demo({ clock: systemClock, idleMs: 5_000 })])
  const started: { folder: string; child: Bun.Subprocess }[] = []
  let url = ''
  let keylessUrl = ''
  beforeAll(async () => {
    url = await startedFor(gateway.url)
    keylessUrl = await startedFor(keyless.url)
  })
  afterAll(async () => {
    for (const { folder, child } of started) {
      child.kill()
      await child.exited
      rmSync(folder, { recursive: true })
    }
    await gateway.stop()
    await keyless.stop()
  })

  /** Starts the proxy in front of a gateway. */
  async function startedFor(gatewayUrl: string): Promise<string> {
    if (program === null) throw new Error(`Debian: apt-get install ${debian}`)
    const folder = mkdtempSync(join(tmpdir(), 'zai2api-proxy-'))
    const port = await freePort()
    for (const [file, text] of Object.entries(config(folder, port, gatewayUrl))) writeFileSync(join(folder, file), text)
    const env = { PATH, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    const child = Bun.spawn([program, ...command(folder)], { cwd: folder, env, stdout: 'ignore', stderr: 'ignore' })
    started.push({ folder, child })
    while (!(await answers(port))) if (child.exitCode !== null) throw new Error('the proxy ended')
    return `http://127.0.0.1:${port}`
  }

  const chat = (content: string, more: object = {}) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content }], ...more }),
    })

  test('hands on each event when it comes', async () => {
    const response = await chat('[slow] Hello', { stream: true })
    const pieces = response.body?.pipeThrough(new TextDecoderStream()) ?? []
    let reads = 0
    let text = ''
    for await (const piece of pieces) {
      reads++
      text += piece
      // The rest takes seconds, and has nothing to prove.
      if (reads > 3) break
    }
    expect(text).toContain('data: {')
    expect(text).not.toContain('[DONE]')
  })

  test('takes a body as large as the gateway does', async () => {
    const response = await chat('Hello', { metadata: { padding: 'x'.repeat(30_000_000) } })
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('chat.completion')])
  })

  test('leaves the refusal of a larger one to somebody who says 413', async () => {
    expect((await chat('x'.repeat(34_000_000))).status).toBe(413)
  })

  test.each(localHosts)('is no way to a gateway without a key, also not for who asks for %s', async (host) => {
    for (const path of ['/v1/models', '/admin/api/requests', '/metrics']) {
      const response = await fetch(`${keylessUrl}${path}`, { headers: { host } })
      expect([path, response.status, await response.text()]).toEqual([path, 403, expect.stringContaining('AUTH_TOKEN')])
    }
  })

  test('passes on the address it was asked at', async () => {
    expect(await (await fetch(`${url}/`)).text()).toStartWith('zai2api ')
  })
})
