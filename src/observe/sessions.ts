import type { Redact } from '../core/redact.ts'

/** Which conversation of a client a request belongs to, as far as the client says. */
export interface ClientSession {
  session?: string
  /** The part of the client that asks, where it is not the main one. */
  agent?: string
}

/** Where Claude Code tells its session. No other program with its `user-agent` sends it. */
export const claudeCodeSession = 'x-claude-code-session-id'

/** Longest id that is taken for one, in characters. */
const longestId = 128

/**
 * Reads the headers by which Claude Code (`x-claude-code-*`), Codex (`session-id`, `thread-id`), opencode
 * (`x-session-id`) and pi (`session_id`) tell their sessions. Source: recordings of these clients, November 2026.
 */
export function sessionOf(headers: Headers, redact: Redact = (text) => text): ClientSession {
  const idOf = (...names: string[]) => idIn(headers, names)
  const session = idOf(claudeCodeSession, 'session-id', 'x-session-id', 'session_id')
  if (session === undefined) return {}
  // Codex names the thread of its main agent after the session.
  const agent = idOf('x-claude-code-agent-id', 'thread-id')
  return { session: redact(session), ...(agent === undefined || agent === session ? {} : { agent: redact(agent) }) }
}

function idIn(headers: Headers, names: readonly string[]): string | undefined {
  for (const name of names) {
    const id = headers.get(name)?.trim()
    if (id && id.length <= longestId && /^[\x21-\x7e]+$/.test(id)) return id
  }
  return undefined
}
