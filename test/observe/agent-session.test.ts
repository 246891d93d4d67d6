import { expect, test } from 'bun:test'
import { agentSessionOf } from '../../src/observe/agent-session.ts'

test.each<[string, Record<string, string>, object]>([
  ['Claude Code', { 'x-claude-code-session-id': 's1' }, { session: 's1' }],
  [
    'an agent of Claude Code',
    { 'x-claude-code-session-id': 's1', 'x-claude-code-agent-id': 'explore-1' },
    { session: 's1', agent: 'explore-1' },
  ],
  [
    'an agent of an agent of Claude Code',
    {
      'x-claude-code-session-id': 's1',
      'x-claude-code-agent-id': 'explore-2',
      'x-claude-code-parent-agent-id': 'plan-1',
    },
    { session: 's1', agent: 'explore-2', parentAgent: 'plan-1' },
  ],
  ['Codex', { 'session-id': '019a', 'thread-id': '019a' }, { session: '019a' }],
  ['a thread of Codex', { 'session-id': '019a', 'thread-id': '019b' }, { session: '019a', agent: '019b' }],
  [
    'a thread of Codex that its main thread has begun',
    { 'session-id': '019a', 'thread-id': '019b', 'x-codex-parent-thread-id': '019a' },
    { session: '019a', agent: '019b' },
  ],
  [
    'a thread of Codex that another has begun',
    { 'session-id': '019a', 'thread-id': '019c', 'x-codex-parent-thread-id': '019b' },
    { session: '019a', agent: '019c', parentAgent: '019b' },
  ],
  [
    'an agent of opencode',
    { 'x-session-id': 'ses_2', 'x-session-affinity': 'ses_2', 'x-parent-session-id': 'ses_1' },
    { session: 'ses_1', agent: 'ses_2' },
  ],
  ['opencode', { 'x-session-id': 'ses_1', 'x-session-affinity': 'ses_1' }, { session: 'ses_1' }],
  ['pi', { session_id: 's2' }, { session: 's2' }],
  ['a client without sessions', { 'user-agent': 'curl/8' }, {}],
  ['an agent without a session', { 'x-claude-code-agent-id': 'explore-1' }, {}],
  ['an id that is too long', { 'x-session-id': 'a'.repeat(129) }, {}],
  ['an id that is no id', { 'x-session-id': 'two words' }, {}],
])('%s', (_name, headers, expected) => {
  expect(agentSessionOf(new Headers(headers))).toEqual(expected)
})

test('an id with the shape of a key is not a session that is shown', () => {
  const headers = new Headers({ 'x-claude-code-session-id': 'sk-live-0123456789abcdef' })
  expect(agentSessionOf(headers)).toEqual({ session: '[redacted]' })
})
