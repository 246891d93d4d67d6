import { isProxied } from '../config/proxy-variables.ts'

/**
 * What Bun reads from the environment before any code runs, and a server needs.
 *
 * The last tier of the engine's compiler (FTL) is off. It compiles the same functions again and again in threads of its
 * own: 9,600 short replies, or 12 sessions of an agent, took 0.7× of the CPU without it (Bun 1.4.5).
 *
 * Bun runs at most 256 outgoing requests at a time. Only those that go through a proxy use Bun's own fetch (see
 * `losslessFetch`).
 */
export function runtimeVariables(env: Record<string, string | undefined>): Record<string, string> {
  return { ...engineVariables, ...(isProxied(env) ? fetchVariables : {}) }
}

const engineVariables = { BUN_JSC_useFTLJIT: '0' }
const fetchVariables = { BUN_CONFIG_MAX_HTTP_REQUESTS: '20000' }
