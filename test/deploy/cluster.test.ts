import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { settingList } from '../../src/config/table.ts'

// `make test-postgres` runs what this file describes; here it is read as the engine would.

interface Service {
  build?: { context: string; dockerfile: string }
  environment?: Record<string, string | number>
  volumes?: string[]
  depends_on?: string[] | Record<string, unknown>
  ports?: string[]
}

const file = readFileSync('deploy/docker-compose.cluster.yml', 'utf8')
const { services, volumes: named } = Bun.YAML.parse(file) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
}
const nginx = readFileSync('deploy/nginx.cluster.conf', 'utf8')
const gateways = Object.keys(services).filter((name) => name.startsWith('zai2api'))

test('three gateways with the same settings share PostgreSQL, and only nginx is reached from outside', () => {
  expect(gateways).toHaveLength(3)
  for (const name of gateways) {
    const { environment = {}, build, ports, volumes } = services[name] ?? {}
    expect(environment).toMatchObject({ HOST: '0.0.0.0', LISTEN_PORT: 8080, STORE: 'database' })
    expect(environment.DATABASE_URL).toMatch(/^postgres:\/\/zai2api:\$\{POSTGRES_PASSWORD:\?.+\}@postgres\/zai2api$/)
    expect(Object.keys(environment).filter((key) => !settingList.some(({ env }) => env === key))).toEqual([])
    expect(existsSync(join('deploy', build?.context ?? '', build?.dockerfile ?? ''))).toBe(true)
    expect(ports).toBeUndefined()
    // Where it keeps its journal.
    expect(volumes).toEqual([`${name.replace('zai2api', 'data')}:/data`])
  }
  const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]))
  expect(published).toEqual([['nginx', '127.0.0.1:8080:8080']])
})

test('what services depend on and mount is there', () => {
  for (const { depends_on = [], volumes = [] } of Object.values(services)) {
    const needed = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
    for (const name of needed) expect(Object.keys(services)).toContain(name)
    for (const path of volumes.filter((volume) => volume.startsWith('.')))
      expect(existsSync(join('deploy', path.split(':')[0] ?? ''))).toBe(true)
    for (const volume of volumes.filter((each) => !each.startsWith('.')))
      expect(Object.keys(named)).toContain(volume.split(':')[0] ?? '')
  }
})

test('nginx knows every gateway, buffers no stream and never sends a prompt twice', () => {
  expect([...nginx.matchAll(/server (\S+):8080 max_fails/g)].map(([, name]) => name)).toEqual(gateways)
  expect([...nginx.matchAll(/server (\S+):8080 backup/g)].map(([, name]) => name)).toEqual(gateways)
  expect(nginx).toContain('proxy_buffering off;')
  expect(nginx).not.toContain('non_idempotent')
})
