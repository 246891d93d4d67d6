import { defineUpstream, type UpstreamDeps } from '../upstream-kind.ts'
import { examineAccounts } from './doctor.ts'
import { type CredentialSource, zaiWeb } from './index.ts'

const modelsTtlMs = 600_000

const guestNote =
  'Without ZAI_API_KEY or ZAI_TOKEN you are a guest at chat.z.ai, which often asks guests for a captcha. A key for the official API is better: zai2api setup takes it.'

/** Z.AI's web chat, with accounts or as a guest. */
export const zaiWebKind = defineUpstream({
  id: 'zai-web',
  label: 'Z.AI',
  title: 'chat.z.ai, without an API key',
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
  // How the site reacts to many calls at once is not known.
  startLimit: 8,
  baseUrl: ({ baseUrl }) => baseUrl,
  create: (settings, { table, ...deps }: UpstreamDeps<CredentialSource>) => zaiWeb({ ...settings, table }, deps),
  doctor: examineAccounts,
  startNote: ({ tokens, backupToken }) => (tokens.length === 0 && backupToken === undefined ? guestNote : undefined),
})
