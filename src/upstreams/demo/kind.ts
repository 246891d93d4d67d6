import { pass } from '../../core/finding.ts'
import { defineUpstream } from '../upstream-kind.ts'
import { demo } from './index.ts'

/** The scripted model. */
export const demoKind = defineUpstream({
  id: 'demo',
  title: 'Scripted model',
  builtIn: (config) => ({ idleMs: config.upstreamIdleMs, tools: config.toolSupport }),
  create: (settings, { clock, table }) => demo({ ...settings, clock, table }),
  doctor: async () => ({ findings: [pass('demo', 'needs neither network nor account')], usable: true }),
})
