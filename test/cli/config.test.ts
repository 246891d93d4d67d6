import { describe, expect, test } from 'bun:test'
import { settingList } from '../../src/config/table.ts'
import { run } from './command-line.ts'

describe('config', () => {
  const env = { AUTH_TOKEN: 'sk-abcdefghijklmnop', ZAI_TOKEN: 'short,eyJhbGciOiJ-long-9876', MODEL_MAP: 'a=b' }
  const files = { '/srv/.env': 'PRIMARY_MODEL=GLM-4.6', '/srv/zai2api.toml': 'log_level = "warn"' }

  test('--json shows values and sources, secrets masked', async () => {
    const { code, stdout } = await run('config --json --port 9', env, files)
    const shown: Record<string, unknown> = JSON.parse(stdout)
    expect(code).toBe(0)
    expect(Object.keys(shown)).toEqual(settingList.map((setting) => setting.env))
    expect(shown).toMatchObject({
      LISTEN_PORT: { value: 9, source: 'flag --port' },
      AUTH_TOKEN: { value: 'sk-…mnop', source: 'environment variable AUTH_TOKEN' },
      ANTHROPIC_API_KEY: { value: 'sk-…mnop', source: 'environment variable AUTH_TOKEN' },
      ZAI_TOKEN: { value: ['***', 'eyJ…9876'], source: 'environment variable ZAI_TOKEN' },
      BACKUP_TOKEN: { value: null, source: 'default' },
      MODEL_MAP: { value: { a: 'b' }, source: 'environment variable MODEL_MAP' },
      PRIMARY_MODEL: { value: 'GLM-4.6', source: 'PRIMARY_MODEL in /srv/.env' },
      LOG_LEVEL: { value: 'warn', source: 'log_level in /srv/zai2api.toml' },
    })
  })

  test('shows the same in columns', async () => {
    const { stdout } = await run('config --port 9', env, files)
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/))
    expect(rows).toHaveLength(settingList.length)
    expect(rows).toContainEqual(['LISTEN_PORT', '9', 'flag --port'])
    expect(rows).toContainEqual(['ZAI_TOKEN', '***,eyJ…9876', 'environment variable ZAI_TOKEN'])
    expect(rows).toContainEqual(['MODEL_MAP', 'a=b', 'environment variable MODEL_MAP'])
    expect(rows).toContainEqual(['BACKUP_TOKEN', '-', 'default'])
    expect(rows).toContainEqual(['CORS_ORIGINS', '-', 'default'])
  })

  test('shows a setting that is not set as such, whatever its kind', async () => {
    const shown: Record<string, unknown> = JSON.parse((await run('config --json')).stdout)
    expect(shown.OTEL_EXPORTER_OTLP_ENDPOINT).toEqual({ value: null, source: 'default' })
    expect((await run('config')).stdout).toMatch(/^OTEL_EXPORTER_OTLP_ENDPOINT +- +default$/m)
    expect((await run('config')).stdout).not.toContain('undefined')
  })

  test('prints warnings to standard error', async () => {
    const typo = { '/srv/.env': 'AUTH_TOKNE=sk-secret' }
    const { code, stdout, stderr } = await run('config --json', {}, typo)
    expect([code, stderr]).toEqual([
      0,
      'zai2api: AUTH_TOKNE in /srv/.env is not a setting and has no effect; did you mean AUTH_TOKEN?\n',
    ])
    expect(JSON.parse(stdout)).toMatchObject({ AUTH_TOKEN: { value: null } })
  })

  test('never shows a secret', async () => {
    for (const line of ['config', 'config --json']) {
      const { stdout } = await run(line, env)
      for (const secret of ['abcdefgh', 'short', 'hbGciOiJ']) expect(stdout).not.toContain(secret)
    }
  })

  test('a secret of twelve characters is masked completely', async () => {
    expect((await run('config', { AUTH_TOKEN: '123456789012' })).stdout).toMatch(/^AUTH_TOKEN +\*\*\* /m)
    expect((await run('config', { AUTH_TOKEN: '1234567890123' })).stdout).toMatch(/^AUTH_TOKEN +123…0123 /m)
  })

  test('an invalid configuration is reported like by any other command', async () => {
    expect(await run('config', { LISTEN_PORT: 'x' })).toMatchObject({ code: 2, stdout: '' })
  })
})
