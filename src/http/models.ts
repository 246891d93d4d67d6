import type { Dialect, DialectRoute, ModelFormat } from '../core/dialect.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestRecord } from '../observe/record.ts'
import { documented } from './base-paths.ts'
import type { Route, RouteContext } from './route.ts'

export interface ModelRouteDeps {
  gateway: Gateway
  recordOf: (request: Request) => RequestRecord
}

/**
 * The lists of models. Several dialects may have the same path: the one that recognises the headers of the request
 * answers, otherwise the first. A key of any of them gives access.
 */
export function modelRoutes(
  dialects: readonly Dialect[],
  basePaths: readonly string[],
  { gateway, recordOf }: ModelRouteDeps,
): Route[] {
  return sharedModelRoutes(dialects).flatMap(({ route: { serves, method, path, access }, speakers }) => {
    const handle = async ({ request, params, query }: RouteContext) => {
      const { headers } = request
      const allowed = recordOf(request).caller.policy.models
      const { format } = speakers.find(({ dialect }) => dialect.recognises?.(headers)) ?? speakers[0]
      if (serves === 'model-list') return format.list(await gateway.models(allowed), { headers, query })
      return format.one(await gateway.model(unescaped(params['*'] ?? params.model ?? ''), allowed))
    }
    const summary =
      serves === 'model-list'
        ? listSummary(speakers.map(({ format }) => format))
        : 'One model, by any name a request may ask for'
    return basePaths.map((basePath) => ({
      method,
      path: basePath + path,
      access,
      docs: documented(basePath, 'models', summary),
      handle,
    }))
  })
}

export interface SharedModelRoute {
  route: DialectRoute & { serves: 'model-list' | 'model' }
  speakers: [Speaker, ...Speaker[]]
}

interface Speaker {
  dialect: Dialect
  format: ModelFormat
}

/** The routes of models, each path once, with the dialects that have it. */
export function sharedModelRoutes(dialects: readonly Dialect[]): SharedModelRoute[] {
  const shared = new Map<string, SharedModelRoute>()
  for (const dialect of dialects) {
    const format = dialect.models
    if (!format) continue
    for (const route of dialect.routes) {
      if (route.serves !== 'model-list' && route.serves !== 'model') continue
      const known = shared.get(route.path)
      if (known) known.speakers.push({ dialect, format })
      else shared.set(route.path, { route, speakers: [{ dialect, format }] })
    }
  }
  return [...shared.values()]
}

function listSummary(formats: readonly ModelFormat[]): string {
  const [first, ...others] = formats.map(({ vendor, docs }) => ({ vendor, header: docs.header?.name }))
  const alternatives = others.map(({ vendor, header }) => ` or, with \`${header}\`, of ${vendor}`)
  return `Models, in the shape of ${first?.vendor}${alternatives.join('')}`
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
