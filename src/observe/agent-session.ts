import type { Redact } from '../core/redact.ts'
import { withoutKeyShapes } from './redaction.ts'

/** Which conversation of a client a request belongs to, as far as the client says. */
export interface AgentSession {
  session?: string
  /** The part of the client that asks, where it is not the main one. */
  agent?: string
  /** The agent that has begun it, where that is not the main one either. */
  parentAgent?: string
}

/** Where Claude Code tells its session. No other program with its `user-agent` sends it. */
export const claudeCodeSession = 'x-claude-code-session-id'

/** Longest id that is taken for one, in characters. */
const longestId = 128

/**
 * Reads the headers by which Claude Code (`x-claude-code-*`), Codex (`session-id`, `thread-id`), opencode
 * (`x-session-id`) and pi (`session_id`) tell their sessions. Source: recordings of these clients, November 2026, and for
 * the parents the program texts of Claude Code 2.1.332, Codex 0.171 and opencode 1.18.
 */
export function agentSessionOf(headers: Headers, redact: Redact = (text) => text): AgentSession {
  const idOf = (...names: string[]) => idIn(headers, names)
  // A subagent of opencode has its own session, and this header names the session that started it.
  const begunBy = idOf('x-parent-session-id')
  const session = idOf(claudeCodeSession, 'session-id') ?? begunBy ?? idOf('x-session-id', 'session_id')
  if (session === undefined) return {}
  // Codex names the thread of its main agent after the session.
  const other = (id: string | undefined) => (id === session ? undefined : id)
  const agent = other(idOf('x-claude-code-agent-id', 'thread-id') ?? (begunBy && idOf('x-session-id')))
  const parentAgent = agent && other(idOf('x-claude-code-parent-agent-id', 'x-codex-parent-thread-id'))
  const shown = (id: string) => withoutKeyShapes(redact(id))
  return {
    session: shown(session),
    ...(agent === undefined ? {} : { agent: shown(agent) }),
    ...(parentAgent === undefined ? {} : { parentAgent: shown(parentAgent) }),
  }
}

function idIn(headers: Headers, names: readonly string[]): string | undefined {
  for (const name of names) {
    const id = headers.get(name)?.trim()
    if (id && id.length <= longestId && /^[\x21-\x7e]+$/.test(id)) return id
  }
  return undefined
}
