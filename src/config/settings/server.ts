import { Type } from '@sinclair/typebox'
import { keepAliveStyles } from '../../core/reply-encoder.ts'
import type { Setting } from '../setting.ts'
import { choice, list, onOff, wholeNumber, word } from '../value-kinds.ts'

const host = word('HOST', 'a host name or an IP address', Type.String({ pattern: '^[A-Za-z0-9:][A-Za-z0-9.:_-]*$' }))

const origins = list(
  'ORIGINS',
  '* or origins such as https://chat.example, separated by commas',
  Type.String({ pattern: '^(\\*|null|[a-z][a-z0-9+.-]*://[^/\\s]+)$' }),
)

/** The server and who may reach it. */
export const serverSettings = {
  host: {
    env: 'HOST',
    group: 'server',
    kind: host,
    default: '127.0.0.1',
    about: 'Address to listen on; any other than loopback needs AUTH_TOKEN.',
    role: { addressOf: 'gateway' },
    protects: 'loopback',
  },
  listenPort: {
    env: 'LISTEN_PORT',
    flag: 'port',
    group: 'server',
    kind: wholeNumber(0, 65_535),
    default: '8080',
    about: 'Port to listen on; 0 takes a free one.',
    role: { addressOf: 'gateway' },
  },
  reusePort: {
    env: 'REUSE_PORT',
    group: 'server',
    kind: onOff,
    default: 'false',
    about: 'Let several gateways of this machine listen on the same port; the system gives each a part. Linux only.',
    role: 'plain',
  },
  corsOrigins: {
    env: 'CORS_ORIGINS',
    group: 'server',
    kind: origins,
    default: '',
    about: 'Web origins that may call from a browser; * allows all.',
    role: 'plain',
    protects: 'origins',
  },
  allowQueryKey: {
    env: 'ALLOW_QUERY_KEY',
    group: 'server',
    kind: onOff,
    default: 'false',
    about: "Take keys from addresses (Gemini's ?key=), which browsers and proxies keep.",
    role: 'plain',
    protects: { refuses: false },
  },
  maxBodyBytes: {
    env: 'MAX_BODY_BYTES',
    group: 'server',
    kind: wholeNumber(1),
    default: '33554432',
    about: 'Largest request body.',
    role: 'plain',
    protects: 'limit',
  },
  maxMessages: {
    env: 'MAX_MESSAGES',
    group: 'server',
    kind: wholeNumber(1),
    default: '10000',
    about: 'Most messages in one request.',
    role: 'plain',
    protects: 'limit',
  },
  maxConcurrent: {
    env: 'MAX_CONCURRENT',
    group: 'server',
    kind: wholeNumber(1),
    default: '4000',
    about: 'Requests answered at the same time; more are refused with 503 until one ends.',
    role: 'plain',
    protects: 'limit',
  },
  rateLimitRpm: {
    env: 'RATE_LIMIT_RPM',
    group: 'server',
    kind: wholeNumber(0),
    default: '0',
    about: 'Requests a minute for each key; 0 for no limit.',
    role: 'plain',
    protects: 'limit, 0 for none',
  },
  rateLimitTpm: {
    env: 'RATE_LIMIT_TPM',
    group: 'server',
    kind: wholeNumber(0),
    default: '0',
    about: 'Tokens a minute for each key, prompts and answers together; 0 for no limit.',
    role: 'plain',
    protects: 'limit, 0 for none',
  },
  bodyTimeoutMs: {
    env: 'BODY_TIMEOUT_MS',
    group: 'server',
    kind: wholeNumber(1),
    default: '30000',
    about: 'Longest wait for the next piece of a request body.',
    role: 'plain',
    protects: 'limit',
  },
  stallMs: {
    env: 'STALL_MS',
    group: 'server',
    kind: wholeNumber(1),
    default: '300000',
    about: 'Longest time in which a client reads nothing of its answer before it is cut off.',
    role: 'plain',
    protects: 'limit',
  },
  keepaliveMs: {
    env: 'KEEPALIVE_MS',
    group: 'server',
    kind: wholeNumber(1, 10_000),
    default: '10000',
    about: 'Longest silence towards a client before a keep-alive is sent.',
    role: 'plain',
  },
  keepaliveStyle: {
    env: 'KEEPALIVE_STYLE',
    group: 'server',
    kind: choice(keepAliveStyles),
    default: 'comment',
    about:
      'What a keep-alive is on the OpenAI APIs: comment a line clients skip, chunk an empty delta in Chat and Completions for a client that counts events only.',
    role: 'plain',
  },
  shutdownMs: {
    env: 'SHUTDOWN_MS',
    group: 'server',
    kind: wholeNumber(0),
    default: '30000',
    about: 'Time that running answers get to finish after SIGTERM.',
    role: 'plain',
  },
  databaseUrl: {
    env: 'DATABASE_URL',
    group: 'server',
    // The value is checked only where the database is opened: DATABASE_URL is often set for another program, and
    // commands that need no database have to run nevertheless.
    kind: word('URL', 'memory, sqlite:PATH or postgres://…', Type.Union([Type.String(), Type.Undefined()])),
    default: '',
    about:
      'Database for keys, usage and the list of requests, never their content: memory (gone with the process), sqlite:PATH or postgres://user:password@host/name; by default the file zai2api.sqlite in the state folder.',
    role: { addressOf: 'conversations' },
  },
  budgetStrict: {
    env: 'BUDGET_STRICT',
    group: 'server',
    kind: onOff,
    default: 'false',
    about:
      'While PostgreSQL cannot be reached, refuse keys with budgets (true), or let them in by what was last known and count it later (false).',
    role: 'plain',
    protects: { refuses: true },
  },
} as const satisfies Record<string, Setting>
