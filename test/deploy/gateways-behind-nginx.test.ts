import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { nginxMissing, startNginxWith } from '../support/nginx.ts'
import { freePort } from '../support/ports.ts'

// The configurations of nginx for several gateways, in front of servers that stop and start.

const nginxBlock = (file: string) => /^```nginx\n([\s\S]*?)^```/m.exec(readFileSync(file, 'utf8'))?.[1] ?? ''

const configurations: Record<string, string> = {
  'deploy/nginx.cluster.conf': readFileSync('deploy/nginx.cluster.conf', 'utf8'),
  'README.md': nginxBlock('README.md'),
  'README.zh-CN.md': nginxBlock('README.zh-CN.md'),
}

test.skipIf(nginxMissing !== '').each(Object.entries(configurations))(
  'with the configuration of %s gateways that were away answer the first request after they are back',
  async (_file, configuration) => {
    const addresses = [...new Set(configuration.match(/(?<=server )[\w.-]+:\d+/g))]
    expect(addresses.length).toBeGreaterThan(1)
    const ports = await Promise.all(addresses.map(freePort))
    const listen = await freePort()
    const replaced = addresses.reduce(
      (text, address, index) => text.replaceAll(address, `127.0.0.1:${ports[index]}`),
      configuration.replace('listen 8080;', `listen 127.0.0.1:${listen};`),
    )
    const nginx = await startNginxWith(replaced, [listen])
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
