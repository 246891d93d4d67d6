import { defineUpstream } from '../upstream-kind.ts'
import { demo } from './index.ts'

export const demoKind = defineUpstream({
  id: 'demo',
  builtIn: (config) => ({ idleMs: config.upstreamIdleMs, tools: config.toolSupport }),
  create: (settings, { clock, table }) => demo({ ...settings, clock, table }),
})
