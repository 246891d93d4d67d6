import { GatewayError, invalidField } from '../core/errors.ts'
import type { McpServer } from '../core/mcp.ts'
import { truncate } from '../core/truncate.ts'
import { type Admission, admissionOf, type ServerRules } from './server-rules.ts'

/** The rules for which servers a request may use. */
export interface McpAccess {
  /** The gateway's rules. */
  rules: ServerRules
  /** The rules of the caller's key. If undefined, it may use every server that the gateway allows. */
  callerRules: ServerRules | undefined
}

/**
 * Both the gateway's rules and the caller's have to allow a server. Only the gateway's rules decide whether its
 * addresses may be private.
 */
export function admitted(url: URL, { rules, callerRules }: McpAccess): Admission | undefined {
  if (callerRules !== undefined && admissionOf(url, callerRules) === undefined) return undefined
  return admissionOf(url, rules)
}

/**
 * Errors: `invalid-request` if MCP is off or the address is not a URL; `forbidden` for a server that is not allowed.
 */
export function rejectForbidden({ label, url, param }: McpServer, { rules, callerRules }: McpAccess): void {
  const name = `MCP server \`${truncate(label)}\``
  if (rules.length === 0)
    throw invalidField(
      param,
      `the ${name} cannot be used: this gateway calls no MCP servers. Its operator can allow hosts with MCP_SERVERS.`,
      { code: 'mcp_servers_off' },
    )
  if (!URL.canParse(url)) throw invalidField(param, 'the address of the MCP server is not a URL.')
  const address = new URL(url)
  const place = `The ${name} is at \`${truncate(address.host)}\``
  if (admissionOf(address, rules) === undefined)
    throw forbidden(`${place}, which MCP_SERVERS of this gateway does not allow.`, param)
  if (callerRules !== undefined && admissionOf(address, callerRules) === undefined)
    throw forbidden(`${place}, which the \`mcp_servers\` of this key do not allow.`, param)
}

function forbidden(message: string, param: string): GatewayError {
  return new GatewayError('forbidden', message, { code: 'mcp_server_not_allowed', param })
}
