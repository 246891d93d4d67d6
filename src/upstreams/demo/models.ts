import type { Model } from '../../core/upstream.ts'
import { modelOf } from '../../models/model.ts'
import type { ModelTable } from '../../models/table.ts'

/** The real models from GLM-4.5 on, so that a client set up for the demo needs no change for Z.AI. */
export function demoModels(table: ModelTable): Model[] {
  return table.named
    .filter(({ reasoning }) => reasoning === 'switchable' || reasoning === 'always')
    .map((facts) => ({ ...modelOf(facts, facts.id), reasoning: 'by-default', search: true }))
}
