import { adminRoutes } from '../admin/index.ts'
import { pageRoutes } from '../admin/page.ts'
import { createBackgroundReplies } from '../http/background-replies.ts'
import { basePathsOf, inOrderOfPaths } from '../http/base-paths.ts'
import { batchRoutes } from '../http/batch-routes.ts'
import { type BatchRunner, createBatchRunner } from '../http/batch-runner.ts'
import { callerOfKey } from '../http/caller-of-key.ts'
import { conversationRoutes } from '../http/conversations.ts'
import { countRoutes } from '../http/count-tokens.ts'
import { docsRoutes } from '../http/docs.ts'
import { embeddingRoutes } from '../http/embedding-routes.ts'
import { fixedRoutes } from '../http/fixed-routes.ts'
import { type Ends, proofRoutes } from '../http/gateway-proof.ts'
import { healthRoutes } from '../http/health.ts'
import type { InternalRequest, SendInternal } from '../http/internal-requests.ts'
import { metricsRoutes } from '../http/metrics.ts'
import { modelRoutes } from '../http/models.ts'
import type { OperatorAccess } from '../http/operator-access.ts'
import { ownKeyRoutes } from '../http/own-key.ts'
import { createRepliesElsewhere } from '../http/replies-elsewhere.ts'
import { type AdmitAndReadBody, replyRoutes, type ServerConnection } from '../http/reply-routes.ts'
import type { Route } from '../http/route.ts'
import { type SocketHandlers, socketRoutes } from '../http/socket-routes.ts'
import { storedRoutes } from '../http/stored-conversations.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { AppOptions } from './options.ts'
import type { RequestLifecycle } from './request-lifecycle.ts'

/** What routes need of the running app. */
export interface RouteParts {
  records: RequestLifecycle
  operators: OperatorAccess
  connection: ServerConnection
  admitAndReadBody: AdmitAndReadBody
  internalOf: (request: Request) => InternalRequest | undefined
  sendInternal: SendInternal
  runInternal: (request: Request, internal: Omit<InternalRequest, 'begun'>) => Promise<RequestRecord>
  /** Turns the connection of a request into a WebSocket. Returns whether it could. */
  upgrade: (request: Request, handlers: SocketHandlers) => boolean
  /** The two ends of the connection of a request. */
  endsOf: (request: Request) => Ends | undefined
  listening: () => string | undefined
}

/** Every route but the one for unknown paths. */
export function allRoutes(options: AppOptions, parts: RouteParts): Route[] {
  const { dialects, gateway, store, clock, log, newId, version, settings, limits, metrics, keys } = options
  const { records, operators, connection, admitAndReadBody, internalOf, sendInternal, runInternal } = parts
  const { upgrade, endsOf, listening } = parts
  const basePaths = basePathsOf(dialects)
  const backgroundReplies = createBackgroundReplies({ store, shared: options.background, clock })
  const repliesElsewhere = createRepliesElsewhere({ shared: options.background, clock })
  const answering = {
    ...{ gateway, store, clock, newId, settings, admitAndReadBody, connection },
    backgroundReplies,
    repliesElsewhere,
    recordOf: records.of,
    recentRepliesOf: (request: Request) => internalOf(request)?.recentReplies,
    gapObserverOf: metrics?.gapObserverOf,
    done: records.close,
    redact: options.redact,
    spendingOf: keys?.ledger.spendingOf,
  }
  const batching = {
    store: options.batches,
    runner: batchRunner(options, sendInternal),
    newId,
    clock,
    recordOf: records.of,
  }
  const budgetsOf = async (request: Request) => {
    const { caller } = records.of(request)
    return caller.isIssued && keys ? (await keys.keys.show(caller.keyId)).budgets : []
  }
  const counting = { gateway, store, repliesElsewhere, recordOf: records.of, admitAndReadBody }
  const routes = [
    ...dialects.flatMap((dialect) => replyRoutes(dialect, basePaths, answering)),
    ...inOrderOfPaths(dialects).flatMap((dialect) => embeddingRoutes(dialect, basePaths, answering)),
    ...healthRoutes({ gateway, limits, basePaths, redact: options.redact, databaseState: keys?.databaseState }),
    ...pageRoutes(version, dialects),
    ...modelRoutes(dialects, basePaths, { gateway, recordOf: records.of, admitAndReadBody }),
    ...dialects.flatMap((dialect) => fixedRoutes(dialect, { basePaths, budgetsOf, listening })),
    ...ownKeyRoutes({ keys: keys?.keys, recordOf: records.of }),
    ...(metrics ? metricsRoutes(metrics) : []),
    ...(options.proofSecret ? proofRoutes(options.proofSecret, endsOf) : []),
    ...dialects.flatMap((dialect) => socketRoutes(dialect, basePaths, { sendInternal, upgrade, settings, clock, log })),
    ...dialects.flatMap((dialect) => storedRoutes(dialect, basePaths, answering)),
    ...dialects.flatMap((dialect) => conversationRoutes(dialect, basePaths, answering)),
    ...dialects.flatMap((dialect) => batchRoutes(dialect, basePaths, { ...batching, admitAndReadBody })),
    ...adminRoutes({ clock, operators, keys: keys?.keys }, options.operator, {
      send: runInternal,
      callerOf: (request) => records.of(request).caller,
    }),
    ...dialects.flatMap((dialect) => countRoutes(dialect, basePaths, counting)),
  ]
  return [...routes, ...docsRoutes({ version, dialects, routes })]
}

/** It stops when the gateway refuses new requests. */
function batchRunner(options: AppOptions, sendInternal: SendInternal): BatchRunner {
  const { dialects, batches: store, clock, log, settings, limits, keys } = options
  const runner = createBatchRunner({
    ...{ store, dialects, sendInternal, clock },
    callerOf: (keyId, dialect) => callerOfKey(keyId, dialect, settings.access, (id) => keys?.registry.callerOfId(id)),
    log: (level, message, facts) => log[level](message, { ...facts }),
  })
  limits.onClose(runner.stop)
  return runner
}
