import { Type } from '@sinclair/typebox'
import { apiServiceText, usualService } from '../api-services.ts'
import type { Setting } from '../setting.ts'
import { upstreamRows } from '../upstream-rows.ts'
import { choice, httpUrl, name, onOff, wholeNumber, word } from '../value-kinds.ts'

const apiService = word('NAME', apiServiceText.description, Type.String({ pattern: apiServiceText.pattern }))

/** Upstreams. */
export const upstreamSettings = {
  upstreams: {
    env: 'UPSTREAMS',
    group: 'upstream',
    kind: upstreamRows,
    default: 'zai-web',
    about:
      'Where answers come from, in this order: zai-web is chat.z.ai, zai-api the official API, demo a scripted model without network, [[upstreams]] in the TOML file a server of your own. Where one cannot answer, the next that has the model does.',
    role: { addressOf: 'prompts' },
  },
  apiEndpoint: {
    env: 'API_ENDPOINT',
    group: 'upstream',
    kind: httpUrl,
    default: 'https://chat.z.ai/api/v2/chat/completions',
    about: 'Completion endpoint of chat.z.ai; every other call goes to the same origin.',
    role: { addressOf: 'zai-web' },
  },
  zaiApiBase: {
    env: 'ZAI_API_BASE',
    group: 'upstream',
    kind: apiService,
    default: usualService,
    about:
      'Service of the official API that ZAI_API_KEY belongs to: coding is the coding plan, bigmodel is the one in China.',
    role: { addressOf: 'zai-api' },
  },
  queueLimit: {
    env: 'QUEUE_LIMIT',
    group: 'upstream',
    kind: wholeNumber(0),
    default: '100',
    about:
      "Requests that may wait for a free key or account of one upstream; one more is refused, unless its client's key has less than an equal share of them.",
    role: 'plain',
    protects: 'limit',
  },
  queueMs: {
    env: 'QUEUE_MS',
    group: 'upstream',
    kind: wholeNumber(0),
    default: '120000',
    about: 'Longest wait of a request for a free key or account, retries after rate limits included.',
    role: 'plain',
    protects: 'limit',
  },
  upstreamHeadersMs: {
    env: 'UPSTREAM_HEADERS_MS',
    group: 'upstream',
    kind: wholeNumber(1),
    default: '60000',
    about: 'Longest wait for the upstream to begin its reply.',
    role: 'plain',
  },
  upstreamIdleMs: {
    env: 'UPSTREAM_IDLE_MS',
    group: 'upstream',
    kind: wholeNumber(1),
    default: '120000',
    about: 'Longest silence inside a reply before it is given up.',
    role: 'plain',
  },
  maxImageBytes: {
    env: 'MAX_IMAGE_BYTES',
    group: 'upstream',
    kind: wholeNumber(1),
    default: '20971520',
    about: 'Largest image that is uploaded.',
    role: 'plain',
    protects: 'limit',
  },
  zaiGuestTtlMs: {
    env: 'ZAI_GUEST_TTL_MS',
    group: 'upstream',
    kind: wholeNumber(1),
    default: '480000',
    about: 'Age at which a guest account is replaced.',
    role: 'plain',
  },
  zaiCreateChat: {
    env: 'ZAI_CREATE_CHAT',
    group: 'upstream',
    kind: onOff,
    default: 'true',
    about: 'Create a chat on the site before each completion, as its own page does.',
    role: 'plain',
  },
  zaiMessagesMode: {
    env: 'ZAI_MESSAGES_MODE',
    group: 'upstream',
    kind: choice(['flatten', 'roles']),
    default: 'flatten',
    about: 'How a conversation is sent: flatten one user message, roles one message a turn.',
    role: 'plain',
  },
  zaiSign: {
    env: 'ZAI_SIGN',
    group: 'upstream',
    kind: onOff,
    default: 'true',
    about: 'Sign completion requests.',
    role: 'plain',
  },
  zaiSigningKey: {
    env: 'ZAI_SIGNING_KEY',
    group: 'upstream',
    kind: name('KEY'),
    default: 'key-@@@@)))()((9))-xxxx&&&%%%%%',
    about: "Signing key, a public constant of the site's script.",
    role: 'plain',
  },
  zaiFeVersion: {
    env: 'ZAI_FE_VERSION',
    group: 'upstream',
    kind: name('VERSION'),
    default: 'prod-fe-1.1.98',
    about: "Version of the site's page to claim until the current one is known.",
    role: 'plain',
  },
} as const satisfies Record<string, Setting>
