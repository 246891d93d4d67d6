import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { rowSetting } from '../../config/upstream-rows.ts'
import { type Examined, fail, pass, passed, warn } from '../../core/finding.ts'
import { jsonOf, type ProbeOptions, probe, reasonOf } from '../../http-client/probe.ts'
import { paths } from '../chat-completions/paths.ts'
import type { CompatibleUpstreamOptions } from './index.ts'
import { compatibleHeaders } from './profile.ts'

type Server = Pick<CompatibleUpstreamOptions, 'id' | 'baseUrl' | 'keys' | 'models'>

const ModelList = Type.Object({ data: Type.Array(Type.Object({ id: Type.String() })) })

/** Checks with each key whether a self-hosted server lists its models, and whether the configured ones are among them. */
export async function examineServer(server: Server, edge: ProbeOptions): Promise<Examined> {
  const { id, keys } = server
  const examined = keys.length === 0 ? [''] : keys
  const findings = await Promise.all(
    examined.map((key, index) => listed(keys.length < 2 ? id : `${id} key ${index + 1}`, key, server, edge)),
  )
  return { findings, usable: findings.some(passed) }
}

async function listed(check: string, key: string, { id, baseUrl, models = [] }: Server, edge: ProbeOptions) {
  try {
    const answer = await probe(`${baseUrl}${paths.models}`, edge, { headers: compatibleHeaders(key) })
    const body = jsonOf(answer)
    if (answer.status === 401 || answer.status === 403)
      return fail(
        check,
        key === '' ? 'it asks for a key' : 'it does not accept the key',
        `Check ${rowSetting('keys', id)}.`,
      )
    if (!answer.ok || !Value.Check(ModelList, body))
      return fail(
        check,
        `it has no list of models (HTTP ${answer.status})`,
        `Check ${rowSetting('base', id)}: there is /models under it, and it ends in /v1, as a rule.`,
      )
    const offered = body.data.map((model) => model.id)
    const missing = models.filter((model) => !offered.includes(model))
    if (missing.length > 0)
      return warn(
        check,
        `it does not list ${missing.join(', ')}`,
        `Check ${rowSetting('models', id)}; it lists ${offered.slice(0, 5).join(', ') || 'none'}.`,
      )
    return pass(check, `lists ${offered.length} ${offered.length === 1 ? 'model' : 'models'}`)
  } catch (thrown) {
    return fail(check, reasonOf(thrown), `Check that ${id} is running, and its base in [[upstreams]].`)
  }
}
