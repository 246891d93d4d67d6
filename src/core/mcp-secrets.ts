import { isRecord, parseJson } from './json.ts'
import type { McpServer } from './mcp.ts'

/** A value under a name like these is a secret, however short. */
const secretName = /authorization|cookie|token|secret|password|key|credential|signature/i
const leastUnnamed = 12
const leastInPath = 16

/** What must not come back in a result, an error or a log: the values of headers, and the parts of the address that may be keys. */
export function mcpSecrets({ url, headers }: Pick<McpServer, 'url' | 'headers'>): string[] {
  const { pathname = '', searchParams = [], username = '', password = '' } = URL.canParse(url) ? new URL(url) : {}
  return [
    ...Object.entries(headers).flatMap(([name, value]) =>
      secretName.test(name) || value.length >= leastUnnamed ? [value.replace(/^(?:bearer|basic|token)\s+/i, '')] : [],
    ),
    ...[...searchParams].map(([, value]) => value),
    ...[username, password, ...pathname.split('/').filter((part) => part.length >= leastInPath)].flatMap(spellingsOf),
  ]
}

/** As the address has it, and as a server may repeat it. */
function spellingsOf(part: string): string[] {
  const decoded = part.includes('%') ? decodedOr(part) : part
  return [...new Set([part, decoded])].filter((text) => text !== '')
}

function decodedOr(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const aboutServers = /"(?:mcp|mcp_servers)"/
const credential = /"(?:authorization|authorization_token)"\s*:\s*"((?:[^"\\]|\\.)*)"/g

const headersMember = /"headers"\s*:\s*\{([^{}]*)/g
const memberValue = /:\s*"((?:[^"\\]|\\.)*)"/g

/** The same for the body of a request, of any API, valid or not. */
export function mcpSecretsIn(body: string): string[] {
  if (!aboutServers.test(body)) return []
  const value = parseJson(body)
  // A body that was cut or is broken.
  if (!isRecord(value)) return [...matchesIn(body, credential), ...matchesIn(body, headersMember).flatMap(valuesIn)]
  return [value, ...requestsOf(value)].flatMap((request) =>
    [request.tools, request.mcp_servers, ...toolsOfItems(request.input)].flat().flatMap(secretsOf),
  )
}

function matchesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found = '']) => found)
}

function valuesIn(members: string): string[] {
  return matchesIn(members, memberValue).filter(({ length }) => length >= leastUnnamed)
}

/** The same for the messages of a batch. */
function requestsOf({ requests }: Record<string, unknown>): Record<string, unknown>[] {
  if (!Array.isArray(requests)) return []
  return requests.flatMap((entry: unknown) => (isRecord(entry) && isRecord(entry.params) ? [entry.params] : []))
}

/** Items of a conversation may bring tools, too. */
function toolsOfItems(input: unknown): unknown[] {
  return Array.isArray(input) ? input.map((item: unknown) => (isRecord(item) ? item.tools : undefined)) : []
}

function secretsOf(server: unknown): string[] {
  if (!isRecord(server)) return []
  const { url, server_url = url, authorization, authorization_token = authorization, headers } = server
  const texts = Object.entries(isRecord(headers) ? headers : {}).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value]] : [],
  )
  return mcpSecrets({
    url: typeof server_url === 'string' ? server_url : '',
    headers: {
      ...Object.fromEntries(texts),
      ...(typeof authorization_token === 'string' ? { authorization: authorization_token } : {}),
    },
  })
}
