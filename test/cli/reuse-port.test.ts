import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Resolves once it listens, or has ended: with its address, or what it says is wrong. */
async function start(port: string, reusePort: string) {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-port-'))
  const child = Bun.spawn([process.execPath, 'src/main.ts', 'demo', '--port', port, '--reuse-port', reusePort], {
    env: { PATH: process.env.PATH, HOME: folder },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  closing.push(async () => {
    child.kill('SIGKILL')
    await child.exited
    rmSync(folder, { recursive: true })
  })
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of child.stdout) {
    text += decoder.decode(piece, { stream: true })
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0]
    if (url !== undefined) return { child, url, port: new URL(url).port }
  }
  return { child, error: await new Response(child.stderr).text(), port: '' }
}

test.skipIf(process.platform !== 'linux')(
  'gateways share a port only where both are told to',
  async () => {
    const first = await start('0', 'true')
    const second = await start(first.port, 'true')
    expect(second.error).toBeUndefined()
    expect((await start(first.port, 'false')).error).toContain(`port ${first.port} on 127.0.0.1 is taken`)
    first.child.kill('SIGKILL')
    await first.child.exited
    expect((await fetch(`${second.url}/healthz`)).status).toBe(200)
  },
  30_000,
)
