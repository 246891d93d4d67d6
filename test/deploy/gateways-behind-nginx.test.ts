import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'
import { localHosts, nginxMissing, startNginxWith } from '../support/nginx.ts'
import { freePort } from '../support/ports.ts'

// The configurations of nginx for several gateways, in front of servers that stop and start.

function addressesIn(configuration: string): string[] {
  const addresses = [...new Set(configuration.match(/(?<=server )[\w.-]+:\d+/g))]
  expect(addresses.length).toBeGreaterThan(1)
  return addresses
}

/** The configuration with other ports; the last gateway stands for those that have no port of their own. */
function moved(configuration: string, listen: number, ports: readonly number[]): string {
  return addressesIn(configuration).reduce(
    (text, address, index) => text.replaceAll(address, `127.0.0.1:${ports[index] ?? ports.at(-1)}`),
    configuration.replace('listen 8080;', `listen 127.0.0.1:${listen};`),
  )
}

const nginxBlock = (file: string) => /^```nginx\n([\s\S]*?)^```/m.exec(readFileSync(file, 'utf8'))?.[1] ?? ''

const configurations: Record<string, string> = {
  'deploy/nginx.cluster.conf': readFileSync('deploy/nginx.cluster.conf', 'utf8'),
  'README.md': nginxBlock('README.md'),
  'README.zh-CN.md': nginxBlock('README.zh-CN.md'),
}

test.skipIf(nginxMissing !== '').each(Object.entries(configurations))(
  'with the configuration of %s gateways that were away answer the first request after they are back',
  async (_file, configuration) => {
    const ports = await Promise.all(addressesIn(configuration).map(freePort))
    const listen = await freePort()
    const nginx = await startNginxWith(moved(configuration, listen, ports), [listen])
    const ask = async () => (await fetch(`http://127.0.0.1:${listen}/`, { method: 'POST', body: 'Hello' })).status
    const serve = (port: number) => Bun.serve({ port, hostname: '127.0.0.1', fetch: () => new Response('Hello') })
    try {
      for (let call = 0; call < 12; call++) expect(await ask()).toBe(502)
      // One is enough: the others may still be away.
      for (const port of ports) {
        const server = serve(port)
        expect(await ask()).toBe(200)
        await server.stop(true)
        expect(await ask()).toBe(502)
      }
    } finally {
      await nginx.stop()
    }
  },
  30_000,
)

test.skipIf(nginxMissing !== '').each(Object.entries(configurations))(
  'the configuration of %s is no way to gateways without a key, whatever Host somebody asks for',
  async (_file, configuration) => {
    const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000 })])
    const listen = await freePort()
    const nginx = await startNginxWith(moved(configuration, listen, [Number(new URL(gateway.url).port)]), [listen])
    try {
      for (const host of localHosts)
        for (const path of ['/v1/models', '/admin/api/requests']) {
          const response = await fetch(`http://127.0.0.1:${listen}${path}`, { headers: { host } })
          expect([host, path, response.status, await response.text()]).toEqual([
            ...[host, path, 403],
            expect.stringContaining('proxy_not_allowed'),
          ])
        }
    } finally {
      await nginx.stop()
      await gateway.stop()
    }
  },
)

test.skipIf(nginxMissing !== '').each(Object.entries(configurations))(
  'the configuration of %s passes WebSockets on',
  async (_file, configuration) => {
    const server = Bun.serve({
      ...{ port: 0, hostname: '127.0.0.1' },
      fetch: (request, serving) =>
        serving.upgrade(request) ? undefined : new Response('no WebSocket', { status: 426 }),
      websocket: { message: (socket, text) => void socket.send(`echo ${text}`) },
    })
    const listen = await freePort()
    const nginx = await startNginxWith(moved(configuration, listen, [Number(server.port)]), [listen])
    try {
      const answer = await new Promise<string>((resolve, reject) => {
        const socket = new WebSocket(`ws://127.0.0.1:${listen}/v1/responses`)
        socket.onopen = () => socket.send('Hello')
        socket.onmessage = ({ data }) => {
          resolve(String(data))
          socket.close()
        }
        socket.onerror = () => reject(new Error('the WebSocket was refused'))
      })
      expect(answer).toBe('echo Hello')
    } finally {
      await nginx.stop()
      await server.stop(true)
    }
  },
)
