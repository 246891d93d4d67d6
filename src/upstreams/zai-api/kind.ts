import { Type } from '@sinclair/typebox'
import { apiServiceText, usualService } from '../../config/api-services.ts'
import { described, rowFields, rowSchema } from '../../config/upstream-rows.ts'
import { optionsFromConfig } from '../chat-completions/options-from-config.ts'
import { defineUpstream, type UpstreamDeps } from '../upstream-kind.ts'
import { accountOfRow, usualAccount } from './accounts.ts'
import { isCodingPlan } from './base-url.ts'
import { examineKeys } from './doctor.ts'
import { usualSettings } from './errors.ts'
import { zaiApi } from './index.ts'
import { readQuota } from './quota.ts'

const row = rowSchema('zai-api', {
  base: Type.Optional(
    described(
      Type.String(apiServiceText),
      'Service of the official API that the keys belong to, or its address.',
      usualService,
    ),
  ),
  keys: Type.Array(rowFields.keys.items, { ...rowFields.keys, minItems: 1 }),
  models: Type.Optional(rowFields.models),
})

/** Z.AI's official API. A row is an additional account, with keys and service of its own. */
export const zaiApiKind = defineUpstream({
  id: 'zai-api',
  label: 'Z.AI',
  title: 'Official API',
  builtIn: (config) => ({ ...usualAccount(config), ...optionsFromConfig(config) }),
  rows: {
    schema: row,
    settings: (row, config) => ({ ...accountOfRow(row), models: row.models, ...optionsFromConfig(config) }),
  },
  baseUrl: ({ baseUrl }) => baseUrl,
  paidIn: ({ baseUrl }) => (isCodingPlan(baseUrl) ? 'credits' : 'dollars'),
  create: (settings, { table, ...deps }: UpstreamDeps<string>) => zaiApi({ ...settings, table }, deps),
  doctor: examineKeys,
  quota: {
    setting: usualSettings.keys,
    readers: ({ baseUrl, keys }) => keys.map((key) => (call) => readQuota({ ...call, baseUrl, key })),
  },
})
