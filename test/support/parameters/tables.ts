import type { Dialect } from '../../../src/core/dialect.ts'
import { createJudge, type Outcome } from './outcome.ts'
import { type Probe, probesOf } from './probe.ts'

export interface Surface {
  dialect: Dialect
  /** Of the body, as the official package declares it. */
  type: string
  /** A request that is complete without any of the parameters. */
  template: Readonly<Record<string, unknown>>
  /** The same for parameters that ask for another one. */
  templates?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Types that are looked at in another place. */
  elsewhere?: RegExp
  /** Puts a body right that says something in a place where it may not stand. */
  shape?: (body: unknown) => unknown
  /** Why a parameter changes nothing, by the paths it has; `*` stands for anything. */
  silent: readonly (readonly [paths: string, reason: string])[]
}

/** What becomes of each parameter: one word for all of its values, or one for each. */
export type Row = Outcome | Record<string, Outcome>

export function rowsOf({ dialect, type, template, templates = {}, elsewhere, shape = (body) => body }: Surface) {
  const judge = createJudge(dialect)
  const shaped = (probe: Probe): Probe => ({ ...probe, without: shape(probe.without), with: shape(probe.with) })
  const outcome = (probe: Probe) => judge(shaped(probe))
  const descend = (probe: Probe) => {
    const found = outcome(probe)
    return !elsewhere?.test(probe.path) && !found.startsWith('named') && !found.startsWith('refused')
  }
  const values = new Map<string, Map<string, Outcome>>()
  for (const probe of probesOf(type, (name) => templates[name] ?? template, descend)) {
    const row = values.get(probe.path) ?? new Map<string, Outcome>()
    // Reached through several types of one union: the one that says something is meant.
    const found = outcome(probe)
    if (found !== 'nothing' || !row.has(probe.value)) row.set(probe.value, found)
    values.set(probe.path, row)
  }
  return new Map([...values].map(([path, row]): [string, Row] => [path, inShort(row)]))
}

function inShort(row: Map<string, Outcome>): Row {
  const [first, ...others] = new Set(row.values())
  return first !== undefined && others.length === 0 ? first : Object.fromEntries(row)
}

export function isSilent(row: Row): boolean {
  return typeof row === 'string' ? row === 'nothing' : Object.values(row).every((outcome) => outcome === 'nothing')
}

export function matches(paths: string, path: string): boolean {
  const pattern = paths
    .split('*')
    .map((literal) => literal.replaceAll(/[.[\]]/g, '\\$&'))
    .join('.*')
  return new RegExp(`^${pattern}$`).test(path)
}
