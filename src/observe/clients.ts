import type { Redact } from '../core/redact.ts'
import { truncate } from '../core/truncate.ts'
import { claudeCodeSession } from './agent-session.ts'
import { withoutKeyShapes } from './redaction.ts'

/** The program that sends a request, as far as it says so. */
export interface ClientProgramName {
  /** `Claude Code`, `openai-python` */
  name: string
  version?: string
}

interface Row {
  name: string
  /** Matches `user-agent`. The first group is the version. */
  agent: RegExp
  /** A header that the client sends as well: its name is needed where others have the same `user-agent`. */
  header?: string
}

/**
 * The first row that fits decides. Programs on one of the SDKs without a name of their own (Continue, pi) count as the SDK.
 *
 * Source: recordings of these clients, November 2026.
 */
const rows: readonly Row[] = [
  { name: 'Claude Agent SDK', agent: /^claude-cli\/.*\bagent-sdk\/([\w.-]+)/ },
  // Claude Code asks for the list of models under another name.
  { name: 'Claude Code', agent: /^claude-code\/([\w.-]+)/ },
  { name: 'Claude Code', agent: /^claude-cli\/([\w.-]+)/, header: claudeCodeSession },
  // Qwen Code takes the name of Claude Code at Anthropic's API, but counts its versions from 0.
  { name: 'Qwen Code', agent: /^(?:claude-cli|QwenCode)\/(0\.[\w.-]+)/ },
  { name: 'Claude Code', agent: /^claude-cli\/([\w.-]+)/ },
  { name: 'Codex', agent: /^codex[\w-]*\/([\w.-]+)/i },
  { name: 'Gemini CLI', agent: /^GeminiCLI[^/]*\/([\w.-]+)/ },
  { name: 'opencode', agent: /^opencode\/([\w.-]+)/ },
  { name: 'Continue', agent: /^ls\/JS ([\w.-]+)/ },
  { name: 'LangChain', agent: /^langchain\w*[^/]*\/([\w.-]+)/i },
  { name: 'OpenAI Agents', agent: /^Agents\/\w+ ([\w.-]+)/ },
  { name: 'AI SDK', agent: /^(?:ai|ai-sdk\/[\w-]+)\/([\w.-]+)/ },
  { name: 'openai-python', agent: /^(?:Async)?OpenAI\/Python ([\w.-]+)/ },
  { name: 'openai-node', agent: /^(?:Azure)?OpenAI\/JS ([\w.-]+)/ },
  { name: 'anthropic-python', agent: /^(?:Async)?Anthropic\/Python ([\w.-]+)/ },
  { name: 'anthropic-node', agent: /^Anthropic\/JS ([\w.-]+)/ },
  { name: 'google-genai', agent: /^google-genai-sdk\/([\w.-]+)/ },
  { name: 'curl', agent: /^curl\/([\w.-]+)/ },
  { name: 'HTTPie', agent: /^(?:HTTPie|xh)\/([\w.-]+)/ },
  { name: 'python-requests', agent: /^python-requests\/([\w.-]+)/ },
  { name: 'httpx', agent: /^python-httpx\/([\w.-]+)/ },
  { name: 'aiohttp', agent: /\baiohttp\/([\w.-]+)/ },
  { name: 'Go', agent: /^Go-http-client\/([\w.-]+)/ },
  { name: 'Bun', agent: /^Bun\/([\w.-]+)/ },
  { name: 'Node.js', agent: /^(?:node|node-fetch|undici)(?:\/([\w.-]+))?$/ },
  // Each of these clients names itself after the client it is derived from.
  { name: 'Edge', agent: /^Mozilla\/.*\bEdg\w*\/([\d.]+)/ },
  { name: 'Firefox', agent: /^Mozilla\/.*\bFirefox\/([\d.]+)/ },
  { name: 'Chrome', agent: /^Mozilla\/.*\b(?:Headless)?Chrome\/([\d.]+)/ },
  { name: 'Safari', agent: /^Mozilla\/.*\bVersion\/([\d.]+).*\bSafari\// },
]

/** In characters: `user-agent` is free text of the client. */
const longestName = 40
const longestVersion = 30
const longestAgent = 400

/**
 * Who sends a request; `undefined` if it does not say. A program without a row has the name that it gives itself, without
 * secrets: people mix up the fields of their programs.
 */
export function clientOf(headers: Headers, redact: Redact = (text) => text): ClientProgramName | undefined {
  const given = headers
    .get('user-agent')
    ?.slice(0, longestAgent)
    .replace(/[^\x20-\x7e]/g, '?')
    .trim()
  if (!given) return undefined
  // Before anything is cut, because a part of a secret is not recognised.
  const agent = withoutKeyShapes(redact(given))
  for (const { name, agent: pattern, header } of rows) {
    const found = pattern.exec(agent)
    if (found === null || (header !== undefined && !headers.has(header))) continue
    return clientNamed(name, found[1])
  }
  const [word = '', version] = agent.split(/[/ ]/, 2)
  return clientNamed(truncate(word, longestName), /^v?\d/.test(version ?? '') ? version : undefined)
}

/** Whether a name is one of the rows', and not the program's own word. */
export function isKnownClient(name: string): boolean {
  return rows.some((row) => row.name === name)
}

function clientNamed(name: string, version: string | undefined): ClientProgramName {
  return { name, ...(version === undefined ? {} : { version: version.slice(0, longestVersion) }) }
}
