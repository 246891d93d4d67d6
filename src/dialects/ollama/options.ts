import { invalidField } from '../../core/errors.ts'
import { isRecord } from '../../core/json.ts'
import type { OutputFormat, Reasoning, Sampling } from '../../core/request.ts'
import { decodeEffort } from '../openai/effort.ts'
import { jsonText } from '../openai/json-fields.ts'
import { ignoredOptions } from './ignored.ts'
import type { LoadReason } from './reply.ts'
import type { SharedBody } from './request-fields.ts'

/** What the bodies of both APIs have besides the prompt. */
export interface DecodedSettings {
  sampling: Sampling
  reasoning: Reasoning
  output: OutputFormat
  stream: boolean
  /** What a request without a prompt does: it loads the model, or takes it out of memory. */
  loadReason: LoadReason
  ignored: string[]
}

/** Errors: `invalid-request` for a format that is neither `"json"` nor a schema. */
export function decodeSettings(body: SharedBody): DecodedSettings {
  const { options, logprobs, keep_alive } = body
  const think = decodeEffort(body.think, 'think')
  return {
    sampling: decodeSampling(options ?? {}),
    reasoning: think.reasoning ?? { mode: 'default' },
    output: decodeFormat(body.format),
    stream: body.stream ?? true,
    loadReason: /^0+[a-z]*$/.test(jsonText(keep_alive)) ? 'unload' : 'load',
    ignored: [...think.ignored, ...(logprobs ? ['logprobs'] : []), ...ignoredOptions(options ?? {})],
  }
}

type Options = NonNullable<SharedBody['options']>

/** A negative limit stands for none, or for what fits. */
function decodeSampling({ num_predict, temperature, top_p, stop }: Options): Sampling {
  const sequences = (typeof stop === 'string' ? [stop] : (stop ?? [])).filter((sequence) => sequence !== '')
  const limit = Math.floor(num_predict ?? 0)
  return {
    temperature: temperature ?? undefined,
    topP: top_p ?? undefined,
    maxTokens: limit > 0 ? limit : undefined,
    stop: sequences.length === 0 ? undefined : sequences,
  }
}

function decodeFormat(format: unknown): OutputFormat {
  if (format === undefined || format === null || format === '') return { type: 'text' }
  if (format === 'json') return { type: 'json' }
  if (isRecord(format)) return { type: 'json', schema: format }
  throw invalidField('format', 'expected "json" or a JSON schema')
}
