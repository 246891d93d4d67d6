import { expect, test } from 'bun:test'
import { clientOf } from '../../src/observe/clients.ts'

const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36'

test.each<[string, Record<string, string>, string | undefined]>([
  ['claude-cli/2.1.330 (external, sdk-cli)', { 'x-claude-code-session-id': 'a' }, 'Claude Code 2.1.330'],
  ['claude-cli/2.1.330 (external, sdk-ts, agent-sdk/0.3.330)', {}, 'Claude Agent SDK 0.3.330'],
  ['claude-cli/1.0.3 (external, cli)', {}, 'Claude Code 1.0.3'],
  ['claude-cli/0.24.4 (external, cli)', { 'x-app': 'cli' }, 'Qwen Code 0.24.4'],
  ['claude-cli/0.9.0 (external, cli)', { 'x-claude-code-session-id': 'a' }, 'Claude Code 0.9.0'],
  ['QwenCode/0.24.4 (linux; x64)', {}, 'Qwen Code 0.24.4'],
  ['codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb', {}, 'Codex 0.169.0'],
  ['codex_cli_rs/0.50.0 (Mac OS 15; arm64)', {}, 'Codex 0.50.0'],
  ['opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14', {}, 'opencode 1.18.33'],
  ['ai-sdk/openai-compatible/3.0.37 ai-sdk/provider-utils/4', {}, 'AI SDK 3.0.37'],
  ['ai/6.0.326 ai-sdk/provider-utils/4.0.64', {}, 'AI SDK 6.0.326'],
  ['ls/JS 5.23.2', {}, 'Continue 5.23.2'],
  ['langchainjs-openai/1.0.0 ((node/v20.20.2; linux; x64))', {}, 'LangChain 1.0.0'],
  ['Agents/JavaScript 0.20.0', {}, 'OpenAI Agents 0.20.0'],
  ['OpenAI/Python 2.8.1', {}, 'openai-python 2.8.1'],
  ['AsyncOpenAI/Python 2.8.1', {}, 'openai-python 2.8.1'],
  ['OpenAI/JS 6.26.0', {}, 'openai-node 6.26.0'],
  ['Anthropic/Python 0.75.0', {}, 'anthropic-python 0.75.0'],
  ['Anthropic/JS 1.12.0', {}, 'anthropic-node 1.12.0'],
  ['curl/7.88.1', {}, 'curl 7.88.1'],
  ['Python/3.11 aiohttp/3.9.1', {}, 'aiohttp 3.9.1'],
  ['node', {}, 'Node.js'],
  ['node-fetch', {}, 'Node.js'],
  ['Bun/1.4.4', {}, 'Bun 1.4.4'],
  [chrome, {}, 'Chrome 131.0.0.0'],
  [`${chrome} Edg/131.0.2903.70`, {}, 'Edge 131.0.2903.70'],
  ['MyTool/1.2 (something)', {}, 'MyTool 1.2'],
  ['a tool', {}, 'a'],
  ['', {}, undefined],
])('%s with %p is %s', (agent, headers, expected) => {
  const client = clientOf(new Headers({ 'user-agent': agent, ...headers }))
  expect(client && [client.name, client.version].filter(Boolean).join(' ')).toBe(expected)
})

test('a long word is cut', () => {
  expect(clientOf(new Headers({ 'user-agent': `${'x'.repeat(5_000)}/1` }))).toEqual({ name: `${'x'.repeat(40)}...` })
})

const master = 'operators-own-key-0123456789'

test.each([
  master,
  'sk-live-0123456789abcdef',
  `${'0a'.repeat(16)}.abcdefgh1234567890`,
  'AIza0123456789abcdefghijklmnopqrstuvwxyz0',
])('a secret is the name and the version of no client: %s', (secret) => {
  const redact = (text: string) => text.replaceAll(master, '[redacted]')
  for (const agent of [secret, `${secret}/1.0`, `curl/${secret}`, `MyTool/${secret}`, `MyTool/1-${secret} x`]) {
    const shown = JSON.stringify(clientOf(new Headers({ 'user-agent': agent }), redact) ?? {})
    for (let at = 0; at + 12 <= secret.length; at++) expect(shown).not.toContain(secret.slice(at, at + 12))
  }
})

test('a request without the header has no client', () => {
  expect(clientOf(new Headers())).toBeUndefined()
})
