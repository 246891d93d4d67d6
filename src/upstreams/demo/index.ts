import type { Clock } from '../../core/clock.ts'
import type { ChatRequest } from '../../core/request.ts'
import type { Upstream } from '../../core/upstream.ts'
import { type ModelTable, modelTable } from '../../models/table.ts'
import { demoModels } from './models.ts'
import { open } from './open.ts'
import { script } from './script.ts'

export interface DemoOptions {
  clock: Clock
  /** Longest silence before a stream ends in an error. */
  idleMs: number
  /** Mean wait between two deltas of a word or two; 0 is as fast as they are read. Default: as a person reads. */
  paceMs?: number
  /** Tools are called; without, they are named as not honoured. */
  tools?: boolean
  /** What is known of models. Default: what the program knows by itself. */
  table?: ModelTable
}

/**
 * A scripted model inside the binary: no network, no account, every delta there is.
 * It says what arrived, and does what the markers in the last user message ask; temperature and the like it takes
 * without a word, for there is nothing they could change.
 */
export function demo({ clock, idleMs, paceMs = 45, tools = true, table = modelTable() }: DemoOptions): Upstream {
  const models = demoModels(table)
  return {
    id: 'demo',
    searchesBesideTools: true,
    models: async () => models,
    ignored: (request) => (tools ? [] : lostTools(request)),
    open: ({ request, model, signal }) =>
      open(script(tools ? request : { ...request, tools: [], toolChoice: 'auto' }, model, paceMs), {
        clock,
        signal,
        idleMs,
      }),
    check: async () => {},
  }
}

function lostTools({ tools, toolChoice }: ChatRequest): string[] {
  if (tools.length === 0) return []
  return toolChoice === 'auto' ? ['tools'] : ['tools', 'tool_choice']
}
