import { defineUpstream, type UpstreamDeps } from '../upstream-kind.ts'
import { type CredentialSource, zaiWeb } from './index.ts'

const modelsTtlMs = 600_000

export const zaiWebKind = defineUpstream({
  id: 'zai-web',
  label: 'Z.AI',
  builtIn: (config) => ({
    baseUrl: config.webBaseUrl,
    completionPath: config.completionPath,
    tokens: config.zaiTokens,
    backupToken: config.backupToken,
    anonymous: config.anonymousMode,
    frontEndVersion: config.zaiFeVersion,
    signingKey: config.zaiSigningKey,
    sign: config.zaiSign,
    createChat: config.zaiCreateChat,
    messagesMode: config.zaiMessagesMode,
    tools: config.toolSupport,
    scanLimit: config.scanLimit,
    guestTtlMs: config.zaiGuestTtlMs,
    modelsTtlMs,
    idleMs: config.upstreamIdleMs,
    headersTimeoutMs: config.upstreamHeadersMs,
    maxImageBytes: config.maxImageBytes,
  }),
  // What the site thinks of many calls at once is not known.
  startLimit: 8,
  create: (settings, { table, ...deps }: UpstreamDeps<CredentialSource>) => zaiWeb({ ...settings, table }, deps),
})
