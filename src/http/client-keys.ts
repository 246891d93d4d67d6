import { type Caller, type CallerPolicy, masterKeyId, type Scope } from '../core/caller.ts'

/** A key that clients send, and its caller. */
export interface ClientKey {
  /** SHA-256 of the key, which is kept nowhere here. */
  digest: Uint8Array
  caller: Caller
  /** The setting that holds it, which a refusal names. */
  variable: string
}

export interface ClientKeyOptions {
  /** `AUTH_TOKEN` */
  openaiKey?: string | undefined
  /** Opens the Anthropic API instead. Without `openaiKey` it has no effect. */
  anthropicKey?: string | undefined
  /** `ADMIN_TOKEN`: opens the operator's routes instead of `AUTH_TOKEN`, and no others. */
  operatorKey?: string | undefined
  policy: CallerPolicy
}

/** The keys of the configuration; none for clients where this machine may call without one. */
export function clientKeys({ openaiKey, anthropicKey, operatorKey, policy }: ClientKeyOptions): ClientKey[] {
  const operator =
    operatorKey === undefined
      ? []
      : [{ digest: digestOf(operatorKey), caller: operatorCaller(policy), variable: operatorVariable }]
  if (openaiKey === undefined) return operator
  const variable = 'AUTH_TOKEN'
  const master = { keyId: masterKeyId, label: variable, policy }
  const operates: Scope[] = operatorKey === undefined || operatorKey === openaiKey ? ['operator'] : []
  // The same key in both variables is one caller; a missing one of Anthropic's has the value of the other.
  if (anthropicKey === undefined || anthropicKey === openaiKey)
    return [
      {
        digest: digestOf(openaiKey),
        caller: { ...master, scope: [...operates, 'openai', 'anthropic'] },
        variable,
      },
      ...operator,
    ]
  return [
    { digest: digestOf(openaiKey), caller: { ...master, scope: [...operates, 'openai'] }, variable },
    {
      digest: digestOf(anthropicKey),
      caller: { keyId: 'anthropic', label: 'ANTHROPIC_API_KEY', scope: ['anthropic'], policy },
      variable: 'ANTHROPIC_API_KEY',
    },
    ...operator,
  ]
}

const operatorVariable = 'ADMIN_TOKEN'

function operatorCaller(policy: CallerPolicy): Caller {
  return { keyId: masterKeyId, label: operatorVariable, scope: ['operator'], policy }
}

/** A caller from this machine, where no key is needed. */
export function localCaller(policy: CallerPolicy): Caller {
  return { keyId: masterKeyId, label: 'local', scope: ['operator', 'openai', 'anthropic'], policy }
}

/** Numbers a minute; 0 for no limit. */
export function policyOf(limits: { rateLimitRpm: number; rateLimitTpm: number }): CallerPolicy {
  const rate = (perMinute: number, setting: string) => (perMinute === 0 ? undefined : { perMinute, setting })
  return {
    requests: rate(limits.rateLimitRpm, 'RATE_LIMIT_RPM'),
    tokens: rate(limits.rateLimitTpm, 'RATE_LIMIT_TPM'),
  }
}

/** A digest that is equally long for every key, because a comparison in constant time needs equal lengths. */
export function digestOf(key: string): Uint8Array {
  return Bun.CryptoHasher.hash('sha256', key)
}
