import { Type } from '@sinclair/typebox'
import { defaultModel } from '../../core/default-models.ts'
import type { ModelFormat } from '../../core/dialect.ts'
import type { PostedModelRoute } from '../../core/dialect-route.ts'
import { invalidField } from '../../core/errors.ts'
import { longestModelName } from '../../core/model-name.ts'
import type { ListedModel } from '../../core/upstream.ts'
import { maybe, open } from '../../json/lenient-schema.ts'

/** `GET /api/tags` and `POST /api/show`. Source: `api/types.go` of Ollama, 2026-08. */
export const models: ModelFormat = {
  vendor: 'Ollama',
  list: (models) => ({ models: models.map(encodeListed) }),
  one: encodeShown,
  docs: { manner: 'whole' },
}

const named = maybe(Type.String({ maxLength: longestModelName }))
/** `name` is the older field. */
const showBody = open({ model: named, name: named })

export const shownModel: Pick<PostedModelRoute, 'body' | 'nameIn' | 'example'> = {
  body: showBody,
  nameIn(body) {
    const { model, name } = Object(body)
    const requested = model || name
    if (typeof requested !== 'string' || requested === '') throw invalidField('model', 'this field is required')
    return requested
  },
  example: { model: defaultModel },
}

/** The tag of a name without one. */
const tag = ':latest'

function encodeListed(model: ListedModel): object {
  const name = /:[^/]+$/.test(model.id) ? model.id : model.id + tag
  return {
    name,
    model: name,
    modified_at: dateOf(model),
    // The weights are not on this machine.
    size: 0,
    digest: new Bun.CryptoHasher('sha256').update(model.id).digest('hex'),
    details: detailsOf(model),
    capabilities: capabilitiesOf(model),
  }
}

function encodeShown(model: ListedModel): object {
  const family = familyOf(model)
  const { contextTokens, defaultTemperature } = model
  return {
    license: '',
    modelfile: `FROM ${model.id}\n`,
    parameters: [parameter('num_ctx', contextTokens), parameter('temperature', defaultTemperature)].flat().join('\n'),
    template: '{{ .Prompt }}',
    details: detailsOf(model),
    model_info: {
      'general.architecture': family,
      'general.basename': model.displayName,
      ...(contextTokens === undefined ? {} : { [`${family}.context_length`]: contextTokens }),
    },
    capabilities: capabilitiesOf(model),
    modified_at: dateOf(model),
  }
}

/** As in a Modelfile; names are padded to 30 characters. */
function parameter(name: string, value: number | undefined): string[] {
  return value === undefined ? [] : [`${name.padEnd(30)} ${value}`]
}

/** The number of parameters and their precision are not known. */
function detailsOf(model: ListedModel): object {
  const family = familyOf(model)
  return { parent_model: '', format: '', family, families: [family], parameter_size: '', quantization_level: '' }
}

/** `glm` of `GLM-4.6V`: the letters with which the name begins, behind a publisher. */
function familyOf({ displayName }: ListedModel): string {
  return /[a-z]+/.exec(displayName.slice(displayName.lastIndexOf('/') + 1).toLowerCase())?.[0] ?? 'model'
}

function capabilitiesOf({ vision, reasoning, embeds }: ListedModel): string[] {
  if (embeds) return ['embedding']
  return ['completion', 'tools', ...(vision ? ['vision'] : []), ...(reasoning === 'never' ? [] : ['thinking'])]
}

function dateOf({ createdAtSeconds }: ListedModel): string {
  return new Date(createdAtSeconds * 1000).toISOString()
}
