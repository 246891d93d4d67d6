import type { Config, LoadedConfig } from '../../config/load.ts'
import { demoGreeting } from '../greeting.ts'
import type { Io } from '../io.ts'
import { serveWith } from './serve.ts'

/**
 * Serves with the scripted model. It needs neither network nor account, and writes files only where a setting names a
 * place. Bodies are kept in memory unless CAPTURE is set, so that the page shows the first request in full.
 */
export function demo(loaded: LoadedConfig, io: Io): Promise<number> {
  const { databaseUrl = 'memory' } = loaded.config
  const capture = loaded.origins.get('capture') === 'default' ? 'memory' : loaded.config.capture
  const config: Config = { ...loaded.config, databaseUrl, capture, upstreams: [{ id: 'demo' }] }
  return serveWith({ ...loaded, config }, io, demoGreeting)
}
