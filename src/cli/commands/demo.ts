import type { Config, LoadedConfig } from '../../config/load.ts'
import type { Io } from '../io.ts'
import { serveWith } from './serve.ts'

/**
 * Serves with the scripted model, which needs neither network nor account, and writes nothing unless it is told where.
 * Bodies are kept in memory unless CAPTURE is set, so that the page shows the first request in full.
 */
export function demo(loaded: LoadedConfig, io: Io): Promise<number> {
  const { databaseUrl = 'memory' } = loaded.config
  const capture = loaded.origins.get('capture') === 'default' ? 'memory' : loaded.config.capture
  const config: Config = { ...loaded.config, databaseUrl, capture, upstreams: [{ id: 'demo' }] }
  return serveWith({ ...loaded, config }, io, greeting)
}

function greeting(url: string, config: Config, version: string): string {
  // The key itself is not printed, because terminals keep logs.
  const key = config.authToken === undefined ? 'anything' : '$AUTH_TOKEN'
  return `zai2api ${version} demo listening on ${url}: a scripted model, no network, no account

  OpenAI SDK       base URL ${url}/v1   key ${key}
  Anthropic SDK    base URL ${url}      key ${key}

  curl ${url}/v1/chat/completions -H 'content-type: application/json' \\
    -H "authorization: Bearer ${key}" \\
    -d '{"model":"GLM-4.5","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'

  ANTHROPIC_BASE_URL=${url} ANTHROPIC_AUTH_TOKEN=${key} claude

Markers in the message steer the model: [think], [tool:NAME], [429], [cut] … (zai2api demo --help lists them)
Look into it: ${url}    API documentation: ${url}/docs    Stop with Ctrl-C.
`
}
