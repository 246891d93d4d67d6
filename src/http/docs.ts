import uiLicense from 'swagger-ui-dist/LICENSE' with { type: 'text' }
import uiNotice from 'swagger-ui-dist/NOTICE' with { type: 'text' }
import { version as uiVersion } from 'swagger-ui-dist/package.json' with { type: 'json' }
import uiStyle from 'swagger-ui-dist/swagger-ui.css' with { type: 'file' }
import uiScript from 'swagger-ui-dist/swagger-ui-bundle.js' with { type: 'file' }
import uiPartsLicense from 'swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt' with { type: 'text' }
import { type DocumentOptions, openapiDocument } from './docs/document.ts'
import pageStyle from './docs/page.css' with { type: 'file' }
import startScript from './docs/start.js' with { type: 'file' }
import type { Route } from './route.ts'

// All addresses are relative, because a proxy may put a prefix before them.
const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>zai2api</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%23173647'/%3E%3Cpath d='M4 4h8L5 12h7' fill='none' stroke='%2385ea2d' stroke-width='2'/%3E%3C/svg%3E">
<link rel="stylesheet" href="docs/ui.css?v=${uiVersion}">
<link rel="stylesheet" href="docs/page.css">
<link rel="license" href="docs/ui.license.txt">
<body>
<noscript>This page needs JavaScript; what it shows is in <a href="openapi.json">openapi.json</a>.</noscript>
<div id="docs"></div>
<script src="docs/ui.js?v=${uiVersion}"></script>
<script src="docs/start.js"></script>
</body>
</html>
`

// The page can reach no other server, whatever it shows or runs.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const untilChecked = 'no-cache'
/** For addresses that contain their version. */
const forEver = 'public, max-age=31536000, immutable'

/**
 * The documentation page and the document that it shows. All files are in the executable, and none is fetched from
 * another server.
 */
export function docsRoutes(options: DocumentOptions): Route[] {
  let document: string | undefined
  const open = (path: string, handle: Route['handle']): Route => ({ method: 'GET', path, access: 'open', handle })
  return [
    open('/openapi.json', () => {
      document ??= JSON.stringify(openapiDocument(options))
      return reply(document, 'application/json', untilChecked)
    }),
    open('/docs', ({ path }) =>
      path.endsWith('/')
        ? new Response(null, { status: 308, headers: { location: '../docs' } })
        : reply(page, 'text/html; charset=utf-8', untilChecked),
    ),
    open('/docs/ui.js', () => reply(Bun.file(uiScript), 'text/javascript; charset=utf-8', forEver)),
    open('/docs/ui.css', () => reply(Bun.file(uiStyle), 'text/css; charset=utf-8', forEver)),
    open('/docs/start.js', () => reply(Bun.file(startScript), 'text/javascript; charset=utf-8', untilChecked)),
    open('/docs/page.css', () => reply(Bun.file(pageStyle), 'text/css; charset=utf-8', untilChecked)),
    open('/docs/ui.license.txt', () =>
      reply([uiNotice, uiLicense, uiPartsLicense].join('\n\n'), 'text/plain; charset=utf-8', untilChecked),
    ),
  ]
}

function reply(body: string | Blob, type: string, cacheControl: string): Response {
  return new Response(body, {
    headers: {
      'content-type': type,
      'cache-control': cacheControl,
      'content-security-policy': contentSecurityPolicy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    },
  })
}
