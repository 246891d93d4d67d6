import type { Clock } from '../../core/clock.ts'
import type { ChatRequest } from '../../core/request.ts'
import type { Upstream } from '../../core/upstream.ts'
import { vendor } from '../../core/vendor.ts'
import { type ModelTable, modelTable } from '../../models/table.ts'
import { demoEmbedder } from './embeddings.ts'
import { demoModels } from './models.ts'
import { open } from './open.ts'
import { script } from './script.ts'

export interface DemoOptions {
  clock: Clock
  /** Longest silence before a stream ends with an error. */
  idleMs: number
  /** Mean wait between two deltas of a word or two; 0 means as fast as they are read. Default: reading speed. */
  paceMs?: number
  /** Whether tools are called; otherwise they are reported as ignored. */
  tools?: boolean
  /** Facts about models. Default: the built-in table. */
  table?: ModelTable
}

/**
 * A scripted model inside the binary: it needs no network and no account, and can send every kind of delta. It
 * describes the request it received, and obeys the markers in the last user message. It silently accepts temperature
 * and other settings that cannot change a script.
 */
export function demo({ clock, idleMs, paceMs = 45, tools = true, table = modelTable() }: DemoOptions): Upstream {
  const models = demoModels(table)
  return {
    id: 'demo',
    vendor,
    searchesBesideTools: true,
    models: async () => models,
    embeddings: demoEmbedder(table),
    ignored: (request) => (tools ? [] : ignoredTools(request)),
    open({ request, model, signal, observer }) {
      const steps = script(tools ? request : { ...request, tools: [], toolChoice: 'auto' }, model, paceMs)
      const observed = observer?.attempts(undefined)
      observed?.exchange?.sent({ method: 'POST', url: 'demo:script', headers: [], body: JSON.stringify(request) })
      return open(steps, { clock, signal, idleMs, observed })
    },
    check: async () => {},
  }
}

function ignoredTools({ tools, toolChoice }: ChatRequest): string[] {
  if (tools.length === 0) return []
  return toolChoice === 'auto' ? ['tools'] : ['tools', 'tool_choice']
}
