import type { SearchRules, Tool, ToolChoice } from '../../core/request.ts'
import { jsonSchemaOf } from './json-schema.ts'
import type { GeminiBody, ToolBody } from './schema.ts'

export interface DecodedTools {
  tools: Tool[]
  toolChoice: ToolChoice
  search: boolean
  searchRules?: SearchRules
  ignored: string[]
}

type Declaration = NonNullable<ToolBody['functionDeclarations']>[number]
type Search = NonNullable<ToolBody['googleSearch']>

/** Tools of Google's servers other than the search do not run here: they are named as ignored. */
export function decodeTools({ tools: bodies, toolConfig }: GeminiBody): DecodedTools {
  const given = bodies ?? []
  const { mode, allowedFunctionNames: allowed } = toolConfig?.functionCallingConfig ?? {}
  const word = (mode ?? 'AUTO').toUpperCase()
  const isStrict = word === 'ANY' || word === 'VALIDATED'
  const declared = given.flatMap(({ functionDeclarations }) => functionDeclarations ?? [])
  const offered = allowed?.length ? declared.filter(({ name }) => allowed.includes(name)) : declared
  const searches = given.flatMap(
    ({ googleSearch, googleSearchRetrieval }) => googleSearch ?? googleSearchRetrieval ?? [],
  )
  const blockedDomains = searches.flatMap(({ excludeDomains }) => excludeDomains ?? [])
  return {
    tools: offered.map((declaration) => toolOf(declaration, isStrict)),
    toolChoice: choiceOf(word, allowed ?? []),
    search: searches.length > 0,
    ...(blockedDomains.length > 0 ? { searchRules: { chosen: false, blockedDomains } } : {}),
    ignored: [
      ...given.flatMap((tool, index) => ignoredTools(tool, `tools.${index}`)),
      ...(words.has(word) ? [] : ['toolConfig.functionCallingConfig.mode']),
      ...(toolConfig?.retrievalConfig ? ['toolConfig.retrievalConfig'] : []),
      ...(toolConfig?.includeServerSideToolInvocations ? ['toolConfig.includeServerSideToolInvocations'] : []),
    ],
  }
}

const words = new Set(['AUTO', 'ANY', 'NONE', 'VALIDATED', 'MODE_UNSPECIFIED'])

function choiceOf(word: string, allowed: readonly string[]): ToolChoice {
  if (word === 'NONE') return 'none'
  if (word !== 'ANY') return 'auto'
  const [name, ...others] = allowed
  return name !== undefined && others.length === 0 ? { name } : 'required'
}

/** A call has to fit the schema where Google promises it: in the modes ANY and VALIDATED. */
function toolOf({ name, description, parameters, parametersJsonSchema }: Declaration, isStrict: boolean): Tool {
  const schema = parametersJsonSchema ?? (parameters ? jsonSchemaOf(parameters) : undefined)
  return {
    name,
    description: description ?? '',
    // A function without a schema has no arguments.
    parameters: schema ?? { type: 'object', properties: {} },
    ...(isStrict ? { strict: true } : {}),
  }
}

const known = new Set(['functionDeclarations', 'googleSearch', 'googleSearchRetrieval'])

function ignoredTools(tool: ToolBody, path: string): string[] {
  const elsewhere = Object.entries(tool).filter(([name, value]) => !known.has(name) && value)
  const { googleSearch, googleSearchRetrieval } = tool
  return [
    ...elsewhere.map(([name]) => `${path} (${name})`),
    ...searchOptions(googleSearch, `${path}.googleSearch`),
    ...searchOptions(googleSearchRetrieval, `${path}.googleSearchRetrieval`),
  ]
}

/** How and when Google searches. */
function searchOptions(search: Search | null | undefined, path: string): string[] {
  return Object.entries(search ?? {})
    .filter(([name, value]) => name !== 'excludeDomains' && value)
    .map(([name]) => `${path}.${name}`)
}
