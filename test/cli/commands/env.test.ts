import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../../src/async/system-clock.ts'
import type { Client } from '../../../src/cli/clients/index.ts'
import { env } from '../../../src/cli/commands/env.ts'
import { ensureSecret } from '../../../src/cli/gateway-secret.ts'
import { type Shell, shellOf, shells } from '../../../src/cli/shell-syntax.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { SettingName } from '../../../src/config/table.ts'
import { demo } from '../../../src/upstreams/demo/index.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'
import { startGateway } from '../../support/gateway.ts'

interface Asked {
  client: Client
  shell?: Shell
  set?: Record<string, string>
  flags?: [SettingName, string][]
}

/** The output for a demo gateway on port 1, where nothing ever listens. */
async function printed({ client, shell, set = {}, flags = [['listenPort', '1']] }: Asked): Promise<string> {
  let text = ''
  const io = {
    env: { UPSTREAMS: 'demo', AUTH_TOKEN: "sk-it's", ...set },
    cwd: '/srv',
    readFile: () => undefined,
    stdout(said: string) {
      text += said
    },
    stderr(said: string) {
      throw new Error(said)
    },
    version: '1.2.3',
  }
  expect(await env(loadConfig(new Map(flags), io, upstreamKinds), io, { client, shell })).toBe(0)
  return text
}

const keys: Record<Shell, string> = { bash: `'sk-it'\\''s'`, fish: `'sk-it\\'s'`, powershell: `'sk-it''s'` }

describe.each<Shell>(['bash', 'fish', 'powershell'])('for %s', (shell) => {
  const set = (name: string, value: string) =>
    ({ bash: `export ${name}=${value}`, fish: `set -gx ${name} ${value}`, powershell: `$env:${name} = ${value}` })[
      shell
    ]
  const unset = (name: string) =>
    ({
      bash: `unset ${name}`,
      fish: `set -e ${name}`,
      powershell: `Remove-Item Env:${name} -ErrorAction SilentlyContinue`,
    })[shell]

  test('claude', async () => {
    expect(await printed({ client: 'claude', shell })).toBe(`# The gateway instead of api.anthropic.com.
${set('ANTHROPIC_BASE_URL', "'http://127.0.0.1:1'")}
# Its key.
${set('ANTHROPIC_AUTH_TOKEN', keys[shell])}
# Claude Code asks about a second key that it finds.
${unset('ANTHROPIC_API_KEY')}
# Would send everything to Bedrock instead.
${unset('CLAUDE_CODE_USE_BEDROCK')}
# Would send everything to Vertex instead.
${unset('CLAUDE_CODE_USE_VERTEX')}
# Would send everything to Foundry instead.
${unset('CLAUDE_CODE_USE_FOUNDRY')}
# What "opus" stands for.
${set('ANTHROPIC_DEFAULT_OPUS_MODEL', "'GLM-4.5'")}
# What "sonnet" stands for.
${set('ANTHROPIC_DEFAULT_SONNET_MODEL', "'GLM-4.5'")}
# What "haiku" stands for: titles, summaries.
${set('ANTHROPIC_DEFAULT_HAIKU_MODEL', "'GLM-4.5-Air'")}
# A model it does not know is taken for 200000: compacting would come too late or too early.
${set('CLAUDE_CODE_MAX_CONTEXT_TOKENS', "'128000'")}
# Versions differ in which of the two decides when to compact.
${set('CLAUDE_CODE_AUTO_COMPACT_WINDOW', "'128000'")}
# Off by default on foreign hosts: every MCP tool would be part of every prompt.
${set('ENABLE_TOOL_SEARCH', "'true'")}
# Long thinking outlasts its 10 minutes.
${set('API_TIMEOUT_MS', "'3000000'")}
# No telemetry and no update checks at Anthropic.
${set('CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC', "'1'")}
# Else an "env" of ~/.claude/settings.json would win over all of this.
${set('CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST', "'1'")}
`)
  })

  test('codex: a snippet for its file, and the key for the shell', async () => {
    expect(
      await printed({ client: 'codex', shell }),
    ).toBe(`# zai2api env codex also writes the file of models that Codex reads. zai2api codex writes it anew at each start.
# Into ~/.codex/config.toml:
model = "GLM-4.5"
model_provider = "zai2api"
model_context_window = 128000

[model_providers.zai2api]
name = "zai2api"
base_url = "http://127.0.0.1:1/v1"
wire_api = "responses"
env_key = "ZAI2API_KEY"

# Into the start-up file of your shell:
${set('ZAI2API_KEY', keys[shell])}
`)
  })

  test('gemini: variables, and the settings that no variable has', async () => {
    expect(await printed({ client: 'gemini', shell })).toBe(`# Into ~/.gemini/settings.json:
{
  "security": {
    "auth": {
      "selectedType": "gemini-api-key"
    }
  },
  "privacy": {
    "usageStatisticsEnabled": false
  },
  "model": {
    "compressionThreshold": 0.061
  }
}

# Into the start-up file of your shell:
# The gateway instead of Google's servers.
${set('GOOGLE_GEMINI_BASE_URL', "'http://127.0.0.1:1'")}
# Its key.
${set('GEMINI_API_KEY', keys[shell])}
# The model for the main work; --model takes precedence.
${set('GEMINI_MODEL', "'GLM-4.5'")}
# Would be sent instead.
${unset('GOOGLE_API_KEY')}
# Would send everything to Vertex instead.
${unset('GOOGLE_GENAI_USE_VERTEXAI')}
# Would send everything to Google's Code Assist instead.
${unset('GOOGLE_GENAI_USE_GCA')}
`)
  })

  test('opencode: the same in its own format', async () => {
    const text = await printed({ client: 'opencode', shell })
    const [, json = '', line] =
      /^# Into ~\/\.config\/opencode\/opencode\.json:\n(.+)\n\n# Into .+:\n(.+)\n$/s.exec(text) ?? []
    expect(line).toBe(set('ZAI2API_KEY', keys[shell]))
    expect(JSON.parse(json)).toMatchObject({
      $schema: 'https://opencode.ai/config.json',
      model: 'zai2api/GLM-4.5',
      small_model: 'zai2api/GLM-4.5-Air',
      provider: {
        zai2api: {
          options: { baseURL: 'http://127.0.0.1:1/v1', apiKey: '{env:ZAI2API_KEY}' },
          models: { 'GLM-4.5': { limit: { context: 128_000, output: 98_304 } } },
        },
      },
    })
    expect(json).not.toContain('sk-')
    expect(json, 'a model that makes no replies').not.toContain('embedding-3')
  })

  test('openai', async () => {
    expect(await printed({ client: 'openai', shell })).toBe(`# The gateway instead of api.openai.com.
${set('OPENAI_BASE_URL', "'http://127.0.0.1:1/v1'")}
# Its key.
${set('OPENAI_API_KEY', keys[shell])}
`)
  })

  test('anthropic', async () => {
    expect(await printed({ client: 'anthropic', shell })).toBe(`# The gateway instead of api.anthropic.com.
${set('ANTHROPIC_BASE_URL', "'http://127.0.0.1:1'")}
# Its key.
${set('ANTHROPIC_AUTH_TOKEN', keys[shell])}
# Would be sent as well.
${unset('ANTHROPIC_API_KEY')}
`)
  })
})

describe('what is printed', () => {
  test('has the preferred model of the official API and its context window if that upstream is the first', async () => {
    const text = await printed({
      client: 'claude',
      shell: 'bash',
      set: { UPSTREAMS: 'zai-api', SMALL_MODEL: 'glm-4.7-flash' },
    })
    expect(text).toContain("export ANTHROPIC_DEFAULT_OPUS_MODEL='GLM-5.3'\n")
    expect(text).toContain("export ANTHROPIC_DEFAULT_HAIKU_MODEL='GLM-4.7-Flash'\n")
    expect(text).toContain("export CLAUDE_CODE_MAX_CONTEXT_TOKENS='1048576'\n")
    expect(text).not.toContain('ANTHROPIC_MODEL=')
  })

  test('follows SHELL if no shell is named', async () => {
    expect(await printed({ client: 'openai', set: { SHELL: '/usr/bin/fish' } })).toContain('\nset -gx OPENAI_API_KEY ')
  })

  test('has the Anthropic key for clients of the Anthropic API', async () => {
    const set = { ANTHROPIC_API_KEY: 'sk-other' }
    expect(await printed({ client: 'claude', shell: 'bash', set })).toContain(
      "export ANTHROPIC_AUTH_TOKEN='sk-other'\n",
    )
    expect(await printed({ client: 'openai', shell: 'bash', set })).not.toContain('sk-other')
  })

  test('has a stand-in key if none is needed', async () => {
    const set = { AUTH_TOKEN: '' }
    expect(await printed({ client: 'openai', shell: 'bash', set })).toContain("export OPENAI_API_KEY='anything'\n")
  })

  test.each<[string, string]>([
    ['0.0.0.0', 'http://127.0.0.1:1/v1'],
    ['::', 'http://[::1]:1/v1'],
    ['gateway.example', 'http://gateway.example:1/v1'],
  ])('reaches %s as %s', async (host, url) => {
    const flags: [SettingName, string][] = [
      ['host', host],
      ['listenPort', '1'],
    ]
    expect(await printed({ client: 'openai', shell: 'bash', flags })).toContain(`OPENAI_BASE_URL='${url}'\n`)
  })

  test('comes from the running gateway', async () => {
    const only = { ...demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 }) }
    const [first] = await only.models()
    if (!first) throw new Error('the demo has no models')
    only.models = async () => [{ ...first, id: 'GLM-4.5', upstreamId: 'GLM-4.5', contextTokens: 77_000 }]
    const state = mkdtempSync(join(tmpdir(), 'zai2api-env-'))
    const proofSecret = ensureSecret(join(state, 'zai2api'))
    const gateway = startGateway([only], { access: { openaiKey: 'sk-one', anthropicKey: 'sk-one' }, proofSecret })
    const flags: [SettingName, string][] = [['listenPort', new URL(gateway.url).port]]
    const text = await printed({
      client: 'claude',
      shell: 'bash',
      flags,
      set: { AUTH_TOKEN: 'sk-one', XDG_STATE_HOME: state },
    })
    await gateway.stop()
    rmSync(state, { recursive: true })
    expect(text).toContain("CLAUDE_CODE_MAX_CONTEXT_TOKENS='77000'\n")
    expect(text).toContain("ANTHROPIC_DEFAULT_HAIKU_MODEL='GLM-4.5'\n")
  })
})

describe('the shell is', () => {
  test.each<[Record<string, string>, Shell]>([
    [{ SHELL: '/bin/bash' }, 'bash'],
    [{ SHELL: '/usr/bin/zsh' }, 'bash'],
    [{ SHELL: '/opt/homebrew/bin/fish' }, 'fish'],
    [{ SHELL: '/usr/bin/pwsh' }, 'powershell'],
    [{ OS: 'Windows_NT' }, 'powershell'],
    [{ OS: 'Windows_NT', SHELL: '/usr/bin/bash' }, 'bash'],
    [{}, 'bash'],
  ])('%j: %s', (environment, shell) => expect(shellOf(environment)).toBe(shell))
})

// PowerShell treats typographic quotes like plain ones.
test('no quote ends the text early in PowerShell', () => {
  const value = 'a\u2018; b \u2019; c \u201a d \u201b e \u0027'
  expect(shells.powershell.set('X', value)).toBe(
    `$env:X = '${[...value].map((each) => (/[\u2018-\u201b']/.test(each) ? each + each : each)).join('')}'`,
  )
})

test('a real shell reads back what was written', async () => {
  const value = `a'b"c $HOME \\ \`id\` é\n!`
  const child = Bun.spawn(['/bin/sh', '-c', `${shells.bash.set('X', value)}\nprintf %s "$X"`], { stdout: 'pipe' })
  expect(await new Response(child.stdout).text()).toBe(value)
})
