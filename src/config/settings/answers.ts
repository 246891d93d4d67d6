import { Type } from '@sinclair/typebox'
import { mcpAddress } from '../../core/mcp-address.ts'
import { reasoningFields } from '../../core/reply-encoder.ts'
import { reasoningModes } from '../../gateway/reasoning-placement.ts'
import { searchPolicies } from '../../gateway/web-search.ts'
import type { Setting } from '../setting.ts'
import { choice, list, onOff, wholeNumber, word } from '../value-kinds.ts'

const mcpServers = list(
  'SERVERS',
  '* or hosts (mcp.example.com, 127.0.0.1:3000) or addresses (https://mcp.example.com/mcp), separated by commas',
  Type.String({ pattern: mcpAddress }),
)

/** Answers. */
export const answerSettings = {
  thinkingProcessing: {
    env: 'THINKING_PROCESSING',
    group: 'answers',
    kind: choice(reasoningModes),
    default: 'think',
    about:
      "Where reasoning goes: think its own field, tags <thinking> in the text, strip nowhere, raw the site's markup.",
    role: 'plain',
  },
  reasoningField: {
    env: 'REASONING_FIELD',
    group: 'answers',
    kind: choice(reasoningFields),
    default: 'reasoning_content',
    about:
      'Field of Chat Completions that holds reasoning: reasoning_content as at DeepSeek and Z.AI, reasoning as at OpenRouter, or both.',
    role: 'plain',
  },
  toolSupport: {
    env: 'TOOL_SUPPORT',
    group: 'answers',
    kind: onOff,
    default: 'true',
    about: 'Let the model call the tools of the client.',
    role: 'plain',
  },
  webSearch: {
    env: 'WEB_SEARCH',
    group: 'answers',
    kind: choice(searchPolicies),
    default: 'auto',
    about:
      'When Z.AI searches the web for a client that asks it to: auto not beside tools of the client, on always (zai-web never beside tools), off never.',
    role: 'plain',
    protects: { refuses: 'off' },
  },
  mcpServers: {
    env: 'MCP_SERVERS',
    group: 'answers',
    kind: mcpServers,
    default: '',
    about:
      'MCP servers whose tools clients may have called by the gateway: hosts, addresses, or * for any with a public https address. Without it, none.',
    role: 'plain',
    protects: 'origins',
  },
  mcpMaxRounds: {
    env: 'MCP_MAX_ROUNDS',
    group: 'answers',
    kind: wholeNumber(1, 100),
    default: '10',
    about: 'Most times that one reply calls tools of MCP servers and goes on with their results.',
    role: 'plain',
    protects: 'limit',
  },
  mcpCallMs: {
    env: 'MCP_CALL_MS',
    group: 'answers',
    kind: wholeNumber(1, 3_600_000),
    default: '60000',
    about: 'Longest wait for one answer of an MCP server.',
    role: 'plain',
    protects: 'limit',
  },
  mcpTotalMs: {
    env: 'MCP_TOTAL_MS',
    group: 'answers',
    kind: wholeNumber(1, 86_400_000),
    default: '300000',
    about: 'Longest wait for MCP servers in one reply, all together.',
    role: 'plain',
    protects: 'limit',
  },
  mcpMaxTools: {
    env: 'MCP_MAX_TOOLS',
    group: 'answers',
    kind: wholeNumber(1, 10_000),
    default: '128',
    about: 'Most tools of MCP servers that one request offers to the model.',
    role: 'plain',
    protects: 'limit',
  },
  mcpMaxResult: {
    env: 'MCP_MAX_RESULT',
    group: 'answers',
    kind: wholeNumber(100),
    default: '100000',
    about: 'Characters of one result of an MCP tool that are passed on; the rest is cut.',
    role: 'plain',
    protects: 'limit',
  },
  scanLimit: {
    env: 'SCAN_LIMIT',
    group: 'answers',
    kind: wholeNumber(1),
    default: '200000',
    about: 'Characters of one answer that are searched for tool calls.',
    role: 'plain',
  },
  loopLimit: {
    env: 'LOOP_LIMIT',
    group: 'answers',
    kind: wholeNumber(0),
    default: '10000',
    about: 'Characters of one passage repeated over and over that end an answer in an error; 0 never does.',
    role: 'plain',
    protects: 'limit, 0 for none',
  },
  store: {
    env: 'STORE',
    group: 'answers',
    kind: word('WHERE', 'memory, off, database or the path of a file', Type.String({ minLength: 1 })),
    default: 'memory',
    about:
      'Where replies of /v1/responses are kept for previous_response_id: memory (gone with the process), off, database (the one of DATABASE_URL) or a SQLite file; the last two then hold conversations. Batches of /v1/messages/batches are kept in the database or else in memory.',
    role: { addressOf: 'conversations' },
  },
} as const satisfies Record<string, Setting>
