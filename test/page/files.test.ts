import { describe, expect, test } from 'bun:test'
import { pagePaths } from '../../src/admin/schema/page-paths.ts'
import { systemClock } from '../../src/async/system-clock.ts'
import { bundlePage, type PageFiles } from '../../src/page/bundle.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp } from '../support/gateway.ts'

const app = gatewayApp([demo({ clock: systemClock, idleMs: 60_000, paceMs: 0 })], {
  access: { openaiKey: 'sk-gateway' },
})
const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

function get(path: string, headers: Record<string, string> = browser): Promise<Response> {
  return app.handle(new Request(`http://localhost${path}`, { headers }))
}

/** In bytes as they go over the wire: of all scripts that a place needs when it is opened first, and of the style sheet. */
const budgets = { js: 60 * 1024, css: 8 * 1024 }

test('no place loads more than its budget', async () => {
  const { files, index } = await bundlePage()
  const packed = (name: string) => Bun.gzipSync(files[name]?.text ?? '', { level: 9 }).byteLength
  const sumOf = (names: Iterable<string>) => [...names].reduce((sum, name) => sum + packed(name), 0)
  const main = /page\/(main-\w+\.js)"/.exec(index)?.[1] ?? ''
  const onDemand = [...(files[main]?.text ?? '').matchAll(/\bimport\("\.\/([^"]+)"\)/g)].map(([, name = '']) => name)
  expect(new Set(onDemand).size).toBe(9)
  for (const part of onDemand) {
    const bytes = sumOf(withImports(files, [main, part]))
    expect({ part, bytes, fits: bytes <= budgets.js }).toEqual({ part, bytes, fits: true })
  }
  expect(sumOf(Object.keys(files).filter((name) => name.endsWith('.css')))).toBeLessThanOrEqual(budgets.css)
})

/** Files and what they import, each once. */
function withImports(files: PageFiles['files'], names: readonly string[]): Set<string> {
  const all = new Set<string>()
  const add = (name: string) => {
    if (all.has(name)) return
    all.add(name)
    for (const [, imported = ''] of (files[name]?.text ?? '').matchAll(/\bfrom"\.\/([^"]+)"/g)) add(imported)
  }
  for (const name of names) add(name)
  return all
}

test('the same source makes files of the same name', async () => {
  expect(Object.keys((await bundlePage()).files)).toEqual(Object.keys((await bundlePage()).files))
})

describe('the document', () => {
  test.each(pagePaths.map((path) => [path.replace(':id', 'req_1')]))(
    '%s needs no key and names its files',
    async (path) => {
      const response = await get(path)
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
      expect(response.headers.get('cache-control')).toBe('no-cache')
      expect(response.headers.get('vary')).toContain('accept')
      const addresses = addressesIn(await response.text())
      expect(addresses.length).toBe(3)
      for (const address of addresses) {
        const { pathname } = new URL(address, `http://localhost${path}`)
        expect({ address, status: (await get(pathname)).status }).toEqual({ address, status: 200 })
      }
    },
  )

  test('lets no other server, no inline script and no inline style in', async () => {
    const response = await get('/')
    expect(response.headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await response.text()).not.toMatch(/<style|style="|<script>/)
  })

  test.each([
    ['curl', { accept: '*/*' }],
    ['a program', {} as Record<string, string>],
  ])('is not for %s, which gets a line', async (_who, headers) => {
    const response = await get('/', headers)
    expect(response.headers.get('content-type')).toStartWith('text/plain')
    expect(response.headers.get('vary')).toContain('accept')
    expect(await response.text()).toMatch(/^zai2api test: .+, docs at \/docs\n$/)
  })
})

describe('a file', () => {
  test('is kept by browsers for good, and comes compressed to those that can read it', async () => {
    const [style = '', script = ''] = addressesIn(await (await get('/')).text())
    for (const [address, type] of [
      [style, 'text/css; charset=utf-8'],
      [script, 'text/javascript; charset=utf-8'],
    ] as const) {
      const plain = await get(`/${address}`)
      expect(plain.headers.get('content-type')).toBe(type)
      expect(plain.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      const packed = await get(`/${address}`, { 'accept-encoding': 'gzip, br' })
      expect(packed.headers.get('content-encoding')).toBe('gzip')
      expect(packed.headers.get('vary')).toContain('accept-encoding')
      expect(Buffer.from(Bun.gunzipSync(await packed.arrayBuffer())).toString()).toBe(await plain.text())
    }
  })

  test.each(['/page/main-00000000.js', '/page/constructor'])('that there is not: %s', async (path) => {
    expect((await get(path)).status).toBe(404)
  })
})

function addressesIn(html: string): string[] {
  const found = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, address = '']) => address)
  return found.filter((address) => !address.startsWith('data:'))
}
