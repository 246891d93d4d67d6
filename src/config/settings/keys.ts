import type { Setting } from '../setting.ts'
import { onOff, secret, secrets } from '../value-kinds.ts'

/** The key of the predecessor's example. It is public, so the gateway accepts it as a placeholder only. */
const exampleKey = 'sk-your-api-key'

/** Keys and accounts. */
export const keySettings = {
  authToken: {
    env: 'AUTH_TOKEN',
    group: 'keys',
    kind: secret,
    default: '',
    about: 'Key that clients must send; without it only this machine is served.',
    role: { credentialOf: 'gateway' },
    secret: true,
    example: exampleKey,
  },
  anthropicApiKey: {
    env: 'ANTHROPIC_API_KEY',
    group: 'keys',
    kind: secret,
    default: '',
    about: 'Key for the Anthropic endpoints, where it is not AUTH_TOKEN.',
    role: { credentialOf: 'gateway' },
    secret: true,
    example: exampleKey,
  },
  adminToken: {
    env: 'ADMIN_TOKEN',
    group: 'keys',
    kind: secret,
    default: '',
    about:
      "The operator's key, for the page, /admin/api and /metrics; where it is not set AUTH_TOKEN serves, and without both only pages of this machine are let in.",
    role: { credentialOf: 'gateway' },
    secret: true,
  },
  zaiApiKeys: {
    env: 'ZAI_API_KEY',
    group: 'keys',
    kind: secrets,
    default: '',
    about:
      'Keys of the official API, separated by commas; with one, zai-api is the upstream unless UPSTREAMS says otherwise.',
    role: { credentialOf: 'zai-api' },
    secret: true,
  },
  zaiTokens: {
    env: 'ZAI_TOKEN',
    group: 'keys',
    kind: secrets,
    default: '',
    about: 'Tokens of your own chat.z.ai accounts, separated by commas.',
    role: { credentialOf: 'zai-web' },
    secret: true,
  },
  backupToken: {
    env: 'BACKUP_TOKEN',
    group: 'keys',
    kind: secret,
    default: '',
    about: 'Token to fall back to when no other account can be had.',
    role: { credentialOf: 'zai-web' },
    secret: true,
  },
  anonymousMode: {
    env: 'ANONYMOUS_MODE',
    group: 'keys',
    kind: onOff,
    default: 'true',
    about: 'Use guest accounts where no token of your own works.',
    role: 'plain',
    protects: { refuses: false },
  },
} as const satisfies Record<string, Setting>
