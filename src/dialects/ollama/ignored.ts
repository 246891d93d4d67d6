import { fieldPath } from '../../core/truncate.ts'
import type { SharedBody } from './request-fields.ts'

/**
 * Options that are read elsewhere, and options for running a model on the machine, which have no meaning here. Source:
 * `api/types.go` of Ollama, 2026-08.
 */
const readOrNeedless = new Set([
  ...['num_predict', 'temperature', 'top_p', 'stop'],
  ...['numa', 'num_ctx', 'num_batch', 'num_gpu', 'main_gpu', 'low_vram', 'f16_kv', 'logits_all', 'vocab_only'],
  ...['use_mmap', 'use_mlock', 'embedding_only', 'num_thread', 'num_keep', 'penalize_newline', 'repeat_last_n'],
])

/** Values with which an option changes nothing. */
const neutral: Readonly<Record<string, unknown>> = {
  repeat_penalty: 1,
  tfs_z: 1,
  typical_p: 1,
  min_p: 0,
  mirostat: 0,
  presence_penalty: 0,
  frequency_penalty: 0,
}

export function ignoredOptions(options: NonNullable<SharedBody['options']>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const asksNothing = value === null || readOrNeedless.has(name) || neutral[name] === value
    // Only used by Mirostat sampling, which is named itself.
    return asksNothing || /^mirostat_/.test(name) ? [] : [fieldPath(['options', name])]
  })
}
