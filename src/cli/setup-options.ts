import { type ApiService, apiServices } from '../config/api-services.ts'
import { UsageError } from '../config/usage-error.ts'
import { clientNamed } from './arguments.ts'
import type { Client } from './clients/index.ts'

export interface SetupOptions {
  client?: Client
  /** `-` for standard input. */
  keyFile?: string
  service?: ApiService
  untested: boolean
}

/** The flags of `zai2api setup`. Errors: UsageError for an unknown name. */
export function setupOptions(options: ReadonlyMap<string, string>): SetupOptions {
  const client = options.get('client')
  const keyFile = options.get('key-file')
  const service = options.get('service')
  const known = apiServices.find((name) => name === service)
  if (service !== undefined && known === undefined)
    throw new UsageError(`flag --service is not one of ${apiServices.join(', ')}`)
  return {
    untested: options.has('untested'),
    ...(client === undefined ? {} : { client: clientNamed(client) }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(known === undefined ? {} : { service: known }),
  }
}
