import { apiServiceText } from '../config/api-services.ts'
import { UsageError } from '../config/usage-error.ts'
import { clientNamed } from './arguments.ts'
import type { Client } from './clients/index.ts'

export interface SetupOptions {
  client?: Client
  /** `-` for standard input. */
  keyFile?: string
  /** A name, or an address that ends in `/v4`. */
  service?: string
  untested: boolean
}

/** The flags of `zai2api setup`. Errors: UsageError for an unknown name. */
export function setupOptions(options: ReadonlyMap<string, string>): SetupOptions {
  const client = options.get('client')
  const keyFile = options.get('key-file')
  const service = options.get('service')
  return {
    untested: options.has('untested'),
    ...(client === undefined ? {} : { client: clientNamed(client) }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(service === undefined ? {} : { service: checkedService(service, 'flag --service') }),
  }
}

/** Errors: UsageError with the name of what sets it, for anything that is no service. */
export function checkedService(service: string, name: string): string {
  if (new RegExp(apiServiceText.pattern).test(service)) return service
  throw new UsageError(`${name} must be ${apiServiceText.description}`, { remedy: ofAnotherProtocol })
}

const ofAnotherProtocol =
  'a server of your own with OpenAI\'s API, whose URL ends in /v1 as a rule, stands as [[upstreams]] with kind = "openai-compatible" in zai2api.toml, and needs no setup'
