import { lruCache } from '../core/lru-cache.ts'
import { matchesPattern } from '../core/name-pattern.ts'
import file from './models.toml'
import {
  type BuiltInRow,
  type EffortWord,
  effortWords,
  type Modality,
  type ModelFields,
  type ModelRow,
  type Service,
} from './row.ts'

/** The longest reply of any of Z.AI's models, in tokens. */
export const mostOutputTokens = 131_072

/** In dollars per million tokens. */
export type Price = NonNullable<ModelRow['price']>

/** In credits per 10,000 tokens. */
export type Credits = NonNullable<ModelRow['credits']>

/** The facts about one model. */
export interface ModelFacts {
  /** Public name: `GLM-4.5-Air`. */
  id: string
  releasedAtSeconds: number
  kind: 'chat' | 'embedding'
  /** Lengths of vectors that an embedding model can make; `undefined` where any length is passed on. */
  dimensions: readonly number[] | undefined
  contextTokens: number | undefined
  maxOutputTokens: number | undefined
  input: ReadonlySet<Modality>
  imagesInToolResults: boolean
  reasoning: 'never' | 'switchable' | 'always' | 'built-in'
  /** The lowest first. */
  efforts: readonly EffortWord[]
  toolStream: boolean
  webSearch: boolean
  defaultTemperature: number | undefined
  price: Price | undefined
  /** The price in the user's rows alone: what another server than the vendor's takes. */
  ownPrice: Price | undefined
  credits: Credits | undefined
  plan: 'coding' | undefined
  /** The day on which the facts were last compared with their source: `2026-11-29`. */
  checked: string | undefined
  /** The name of chat.z.ai for it; `undefined` if the site has not been seen to offer it. */
  webName: string | undefined
  /** The services on which it answers in place of other vendors' large models. */
  standsIn: readonly Service[]
  /** Its place among the models that answer in place of small ones: 1 is asked first. */
  smallRank: number | undefined
}

export interface ModelTable {
  /** The models with a row of their own, newest first. */
  named: readonly ModelFacts[]
  /**
   * The facts about a model of any name: from its own row, else from those of related models. Servers with open weights
   * add a publisher, a folder or a tag: `zai-org/GLM-4.6-FP8` and `GLM-4.6-FP8:free` are a `GLM-4.6-FP8` at another price.
   */
  of(name: string): ModelFacts
}

/**
 * Combines the built-in rows with the user's, which override them.
 *
 * A name without a row gets the facts of its family (`glm-4.6v-flash-1201` those of `glm-4.6v-flash`). Without a family,
 * a model from version 5.4 on gets the assumed facts for new models, and an older one the abilities of the newest model
 * before it. If the name contains no version, nothing is known: images are let through, and its server decides.
 */
export function modelTable(own: readonly ModelRow[] = [], builtIn: readonly BuiltInRow[] = file.models): ModelTable {
  const rows = new Map<string, { id: string; facts: KnownFacts }>()
  for (const row of [...builtIn.map(factsOfRow), ...own.map(ownFactsOfRow)])
    for (const id of row.ids) {
      if (isPattern(id)) continue
      const known = rows.get(id.toLowerCase())
      rows.set(id.toLowerCase(), {
        id: known?.id ?? id,
        facts: { ...(known?.facts ?? inherited(id)), ...row.facts },
      })
    }
  const named = [...rows.values()]
    .map(({ id, facts }) => factsOf(id, corrected(id, facts)))
    .sort((one, other) => other.releasedAtSeconds - one.releasedAtSeconds)
  const byName = new Map(named.map((facts) => [facts.id.toLowerCase(), facts]))
  const derived = lruCache<string, ModelFacts>({ maxEntries: maxDerived })
  return { named, of: (name) => byName.get(name.toLowerCase()) ?? derived.get(name) ?? derive(name) }

  /** The facts for a name without a row, which are asked for several times a request. */
  function derive(name: string): ModelFacts {
    const facts = factsOf(publicNameOf(name), corrected(name, inherited(name)))
    derived.set(name, facts)
    return facts
  }

  /** The facts for a name without a row of its own. */
  function inherited(name: string): KnownFacts {
    const bare = bareName(name)
    if (bare !== name) {
      const facts = rows.get(bare.toLowerCase())?.facts ?? inherited(bare)
      const { ownPrice } = facts
      return { ...abilitiesIn(facts), ...(ownPrice === undefined ? {} : { price: ownPrice, ownPrice }) }
    }
    const family = longestFamily(name.toLowerCase(), [...rows.keys()])
    const facts = family === undefined ? undefined : rows.get(family)?.facts
    return facts === undefined ? byGeneration(name) : abilitiesIn(facts)
  }

  /** Applies the user's rows with patterns, which override the facts of every matching name, even one with a row. */
  function corrected(name: string, facts: KnownFacts): KnownFacts {
    const names = [name, bareName(name)]
    const matching = own
      .map(ownFactsOfRow)
      .filter(({ ids }) => ids.some((id) => isPattern(id) && names.some((each) => matchesPattern(id, each))))
    return Object.assign({}, facts, ...matching.map((row) => row.facts))
  }

  function byGeneration(name: string): ModelFields {
    const wanted = generationOf(name)
    if (wanted === undefined) return unknown
    if (wanted.version >= assumedFrom) return file.assumed
    const [nearest] = [...rows.values()]
      .filter(({ id }) => generationOf(id)?.letter === wanted.letter && versionOf(id) <= wanted.version)
      .sort((one, other) => versionOf(other.id) - versionOf(one.id))
    if (nearest === undefined) return wanted.letter === 'v' ? unknown : { ...unknown, input: ['text'] }
    const { input, reasoning, efforts, tool_stream, web_search, default_temperature } = nearest.facts
    // Token limits are not inherited: a wrong limit would refuse requests that fit.
    return { input, reasoning, efforts, tool_stream, web_search, default_temperature }
  }
}

/** Clients can make up any number of names. */
const maxDerived = 100

/** GLM-5.4. Before this version, a `v` behind the version marks models with vision. */
const assumedFrom = 504

const unknown: ModelFields = { input: ['text', 'image'], reasoning: 'never', web_search: true }

/** Version and letter of a name: `glm-5.4v` → 504 (100 × major + minor) and `v`. */
function generationOf(name: string): { version: number; letter: string } | undefined {
  const [found, major, minor = '0', letter = ''] = /^glm-(\d{1,2})(?:\.(\d{1,2}))?(v)?(?![\d.])/i.exec(name) ?? []
  return found === undefined
    ? undefined
    : { version: Number(major) * 100 + Number(minor), letter: letter.toLowerCase() }
}

function versionOf(name: string): number {
  return generationOf(name)?.version ?? 0
}

function longestFamily(name: string, known: readonly string[]): string | undefined {
  return known
    .filter((id) => name.startsWith(`${id}-`) && generationOf(id)?.version === generationOf(name)?.version)
    .sort((one, other) => other.length - one.length)[0]
}

type KnownFacts = Omit<BuiltInRow, 'id'> & Partial<Pick<ModelFacts, 'ownPrice'>>

function factsOfRow({ id, ...facts }: BuiltInRow): { ids: readonly string[]; facts: KnownFacts } {
  return { ids: typeof id === 'string' ? [id] : id, facts }
}

function ownFactsOfRow(row: ModelRow): { ids: readonly string[]; facts: KnownFacts } {
  const { ids, facts } = factsOfRow(row)
  return { ids, facts: facts.price === undefined ? facts : { ...facts, ownPrice: facts.price } }
}

/** The facts that also hold for related models. */
function abilitiesIn(facts: KnownFacts): ModelFields {
  const { price: _price, ownPrice: _own, credits: _credits, plan: _plan, checked: _checked, ...others } = facts
  const { web_name: _web, stands_in: _standsIn, small_rank: _rank, ...abilities } = others
  return abilities
}

/** `zai-org/GLM-4.6-FP8` and `GLM-4.6-FP8:free` → `GLM-4.6-FP8`. */
function bareName(name: string): string {
  return (name.split('/').at(-1) || name).replace(/(?!^):\w+$/, '')
}

function isPattern(id: string): boolean {
  return id.includes('*')
}

function factsOf(id: string, facts: KnownFacts): ModelFacts {
  return {
    id,
    releasedAtSeconds: facts.released === undefined ? 0 : Date.parse(facts.released) / 1000,
    kind: facts.kind ?? 'chat',
    dimensions: facts.dimensions,
    contextTokens: facts.context_tokens,
    maxOutputTokens: facts.max_output_tokens,
    input: new Set(facts.input ?? ['text']),
    imagesInToolResults: facts.images_in_tool_results ?? false,
    reasoning: facts.reasoning ?? 'never',
    efforts: effortWords.filter((word) => facts.efforts?.includes(word)),
    toolStream: facts.tool_stream ?? false,
    webSearch: facts.web_search ?? false,
    defaultTemperature: facts.default_temperature,
    price: facts.price,
    ownPrice: facts.ownPrice,
    credits: facts.credits,
    plan: facts.plan,
    checked: facts.checked,
    webName: facts.web_name,
    standsIn: facts.stands_in ?? [],
    smallRank: facts.small_rank,
  }
}

/** Writes a name like the vendor does: `glm-5.9-air-2` → `GLM-5.9-Air-2`. */
function publicNameOf(name: string): string {
  if (!/^glm-/i.test(name) || name !== bareName(name)) return name
  return name.toLowerCase().replace(/^glm|-[a-z]|(?<=^glm-[\d.]+)v/g, (letters) => letters.toUpperCase())
}

/**
 * The closest effort that a model accepts: the same one, else the next higher, else the highest; `undefined` if it
 * accepts none.
 */
export function effortWord(effort: EffortWord, accepted: readonly EffortWord[]): EffortWord | undefined {
  const wanted = effortWords.indexOf(effort)
  return accepted.find((word) => effortWords.indexOf(word) >= wanted) ?? accepted.at(-1)
}
