import { gzipSync } from 'node:zlib'
import type { Dialect } from '../core/dialect.ts'
import { replyAddresses } from '../http/hints.ts'
import type { Route } from '../http/route.ts'
import { pageFiles } from '../page/assets.ts'
import { pageFilesPath, pagePaths } from './schema/page-paths.ts'

// Whatever the page shows or runs, it can reach no other server, and no other page can show it in a frame.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * The page at `/` and its places. A client that does not ask for HTML, such as curl, gets one line at `/`. Everything
 * the page shows comes from `/admin/api`, so its files are open.
 */
export function pageRoutes(version: string, dialects: readonly Dialect[]): Route[] {
  const apis = replyAddresses(dialects).map(({ dialect, path }) => `${dialect.label} at ${path}`)
  const line = `zai2api ${version}: ${apis.join(', ')}, docs at /docs\n`
  const open = (path: string, handle: Route['handle']): Route => ({ method: 'GET', path, access: 'open', handle })
  return [
    open('/', ({ request }) =>
      request.headers.get('accept')?.includes('text/html')
        ? document('/')
        : new Response(line, { headers: { 'content-type': 'text/plain;charset=utf-8', vary: 'accept' } }),
    ),
    ...pagePaths.filter((path) => path !== '/').map((path) => open(path, ({ path: asked }) => document(asked))),
    open(`${pageFilesPath}:name`, async ({ request, params: { name = '' } }) => {
      const { files } = await pageFiles()
      const file = Object.hasOwn(files, name) ? files[name] : undefined
      // An address of an earlier version: the document that names it is out of date, too.
      if (file === undefined) return new Response('Load the page again.\n', { status: 404 })
      const packed = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '')
      return new Response(packed ? gzipped(name, file.text) : file.text, {
        headers: {
          ...headers(file.type, 'public, max-age=31536000, immutable'),
          vary: 'accept-encoding',
          ...(packed ? { 'content-encoding': 'gzip' } : {}),
        },
      })
    }),
  ]
}

/** Addresses are relative, because a proxy may put a prefix before them. */
async function document(path: string): Promise<Response> {
  const { index } = await pageFiles()
  const up = '../'.repeat(path.split('/').length - 2)
  const text = index.replaceAll(/(href|src)="(page|docs)/g, `$1="${up}$2`)
  return new Response(text, { headers: { ...headers('text/html; charset=utf-8', 'no-cache'), vary: 'accept' } })
}

function headers(type: string, cacheControl: string): Record<string, string> {
  return {
    'content-type': type,
    'cache-control': cacheControl,
    'content-security-policy': contentSecurityPolicy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  }
}

const packed = new Map<string, Uint8Array<ArrayBuffer>>()

function gzipped(name: string, text: string): Uint8Array<ArrayBuffer> {
  let bytes = packed.get(name)
  if (!bytes) {
    bytes = Uint8Array.from(gzipSync(text, { level: 9 }))
    packed.set(name, bytes)
  }
  return bytes
}
