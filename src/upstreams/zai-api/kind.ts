import { officialRow } from '../../config/upstream-rows.ts'
import { callSettings } from '../chat-completions/call-settings.ts'
import { defineUpstream, type UpstreamDeps } from '../upstream-kind.ts'
import { accountOfRow, usualAccount } from './accounts.ts'
import { zaiApi } from './index.ts'

export const zaiApiKind = defineUpstream({
  id: 'zai-api',
  label: 'Z.AI',
  builtIn: (config) => ({ ...usualAccount(config), ...callSettings(config) }),
  rows: {
    schema: officialRow,
    settings: (row, config) => ({ ...accountOfRow(row), models: row.models, ...callSettings(config) }),
  },
  create: (settings, { table, ...deps }: UpstreamDeps<string>) => zaiApi({ ...settings, table }, deps),
})
