import type { Dialect, ModelFormat } from '../core/dialect.ts'
import { costOf, type DialectRoute, type PostedModelRoute } from '../core/dialect-route.ts'
import type { ListedModel } from '../core/upstream.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestRecord } from '../observe/record.ts'
import { addressesOf, usualBasePath } from './base-paths.ts'
import { bodyCheck } from './body-validation.ts'
import { percentDecoded } from './path-pattern.ts'
import type { AdmitAndReadBody } from './reply-routes.ts'
import type { Route, RouteContext } from './route.ts'

export interface ModelRouteDeps {
  gateway: Gateway
  recordOf: (request: Request) => RequestRecord
  admitAndReadBody: AdmitAndReadBody
}

/**
 * The lists of models. Several dialects may have the same path: the one that recognises the headers of the request
 * answers, otherwise the one whose base path it is, otherwise the first. A key of any of them gives access.
 */
export function modelRoutes(
  dialects: readonly Dialect[],
  basePaths: readonly string[],
  { gateway, recordOf, admitAndReadBody }: ModelRouteDeps,
): Route[] {
  return sharedModelRoutes(dialects).flatMap(({ route, speakers }) => {
    const { serves, method, path, access } = route
    const nameOf = route.method === 'POST' ? postedName(route, admitAndReadBody) : nameInPath
    const handle = (usual: Speaker) => async (context: RouteContext) => {
      const { request, query } = context
      const { headers } = request
      const allowed = recordOf(request).caller.policy
      const speaker = speakers.find(({ dialect }) => dialect.recognises?.(headers)) ?? usual
      const { format } = speaker
      if (serves === 'model-list')
        return format.list((await gateway.models(allowed)).filter(isOf(speaker)), { headers, query })
      return format.one(await gateway.model(await nameOf(context), allowed))
    }
    const summary =
      serves === 'model-list'
        ? listSummary(speakers.map(({ format }) => format))
        : 'One model, by any name a request may ask for'
    const [{ dialect }] = speakers
    const docs = { tags: ['models'], summary }
    return addressesOf(dialect, path, basePaths, docs).map((address) => ({
      ...address,
      method,
      access,
      ...(dialect.ownBasePaths ? { dialect } : {}),
      keyParameter: speakers.find(({ dialect }) => dialect.keyParameter)?.dialect.keyParameter,
      handle: handle(speakers.find((speaker) => isBehindItsBase(address.path, path, speaker)) ?? speakers[0]),
    }))
  })
}

function isBehindItsBase(address: string, path: string, { dialect: { basePaths = [] } }: Speaker): boolean {
  return basePaths.some((basePath) => address === basePath + path)
}

/** Embedding models are listed only in APIs that can ask for embeddings. */
function isOf({ dialect }: Speaker): (model: ListedModel) => boolean {
  const canEmbed = dialect.routes.some(({ serves }) => serves === 'embeddings')
  return ({ embeds }) => canEmbed || !embeds
}

/** The name in the body of a request, as its route finds it. */
function postedName({ body: schema, nameIn }: PostedModelRoute, admitAndReadBody: AdmitAndReadBody) {
  const admission = { cost: costOf.model, check: bodyCheck(schema), conversationFields: [] }
  return async ({ request }: RouteContext) => nameIn((await admitAndReadBody(request, admission)).body)
}

function nameInPath({ params }: RouteContext): string {
  return percentDecoded(params['*'] ?? params.model ?? '')
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
      const key = `${route.method} ${dialect.ownBasePaths?.[0] ?? usualBasePath}${route.path}`
      const known = shared.get(key)
      if (known) known.speakers.push({ dialect, format })
      else shared.set(key, { route, speakers: [{ dialect, format }] })
    }
  }
  return [...shared.values()]
}

function listSummary(formats: readonly ModelFormat[]): string {
  const [first, ...others] = formats.map(({ vendor, docs }) => ({ vendor, header: docs.header?.name }))
  const alternatives = others.map(({ vendor, header }) => ` or, with \`${header}\`, of ${vendor}`)
  return `Models, in the shape of ${first?.vendor}${alternatives.join('')}`
}
