import { join } from 'node:path'
import { systemClock } from '../../async/system-clock.ts'
import { apiServices } from '../../config/api-services.ts'
import { configFolder } from '../../config/folders.ts'
import { type LoadedConfig, loadConfig } from '../../config/load.ts'
import { settings, tomlKeyOf } from '../../config/table.ts'
import { kindOf } from '../../config/upstream-rows.ts'
import { UsageError } from '../../config/usage-error.ts'
import { type Finding, failed, passed } from '../../core/finding.ts'
import type { ProbeOptions } from '../../http-client/probe.ts'
import { upstreamKinds } from '../../upstreams/index.ts'
import { clientNamed } from '../arguments.ts'
import { installed, programNames, programs } from '../client-programs.ts'
import type { Client } from '../clients/index.ts'
import { refuseForeignFolders } from '../foreign-folder.ts'
import type { Io } from '../io.ts'
import { textOfNamed } from '../named-file.ts'
import { checkedService, type SetupOptions } from '../setup-options.ts'
import { withTopLevelKeys } from '../toml-edit.ts'
import { writePrivateFile } from '../write-private-file.ts'
import { answers } from './doctor/whole-gateway.ts'

const keyPage = 'https://z.ai/manage-apikey/apikey-list'

/** Variables that would take precedence over the file that is being tried. */
const overriding: readonly string[] = [settings.zaiApiKeys.env, settings.zaiApiBase.env, settings.upstreams.env]

/**
 * Asks for a key and a client where there is a terminal, tries the key at each service and the whole gateway with it, and
 * writes the user's configuration file. Resolves with 1 if the key is refused, and then nothing is written.
 */
export async function setup(
  io: Io,
  options: SetupOptions,
  edge: ProbeOptions = { fetch, clock: systemClock },
): Promise<number> {
  const path = userFile(io)
  const before = io.readFile(path) ?? ''
  const key = await keyOf(io, options)
  const client = await clientChosen(io, options)
  const chosen = await serviceOf(key, { path, before, io, options, edge })
  if (chosen === undefined) return 1
  writePrivateFile(path, chosen.text)
  io.stdout(`Written to ${path}, which only you can read.\n`)
  const succeeds = options.untested || (await triedOut(chosen.loaded, io, edge))
  io.stdout(nextSteps(client, io))
  return succeeds ? 0 : 1
}

/** Errors: UsageError without a home folder. */
function userFile({ env }: Io): string {
  const folder = configFolder(env)
  if (folder === undefined) throw new UsageError('there is no folder for your configuration: HOME is not set')
  refuseForeignFolders([folder], process.getuid?.() ?? -1, ', or set HOME to your own folder')
  return join(folder, 'zai2api.toml')
}

/** Errors: UsageError if there is none. */
async function keyOf(io: Io, { keyFile }: SetupOptions): Promise<string> {
  const { env, ask } = io
  const given =
    keyFile !== undefined
      ? textOfNamed(keyFile === '-' ? '/dev/stdin' : keyFile, '--key-file', io)
      : (env.ZAI_API_KEY ?? (await ask?.(`Key for Z.AI's API, from ${keyPage} (not shown): `, { hidden: true })))
  const key = given?.trim() ?? ''
  if (/^[!-~]+$/.test(key)) return key
  throw new UsageError(
    key === ''
      ? `there is no key; set ZAI_API_KEY, or name a file with --key-file; keys are made at ${keyPage}`
      : 'the key is not one word of printable ASCII',
  )
}

async function clientChosen(io: Io, { client }: SetupOptions): Promise<Client | undefined> {
  if (client !== undefined || io.ask === undefined) return client
  const [found] = programNames.filter((name) => installed(name, io) !== undefined)
  const choice = await io.ask(
    `Client (${programNames.join(', ')}, or another of zai2api help env) [${found ?? 'none'}]: `,
  )
  if (choice === '') return found
  return choice === 'none' ? undefined : clientNamed(choice)
}

interface ServiceSearch {
  path: string
  before: string
  io: Io
  options: SetupOptions
  edge: ProbeOptions
}

interface Chosen {
  /** The whole configuration file. */
  text: string
  loaded: LoadedConfig
}

/** The configuration file with the service that accepts the key. If none does, prints why and returns `undefined`. */
async function serviceOf(key: string, { path, before, io, options, edge }: ServiceSearch): Promise<Chosen | undefined> {
  const { named, names } = serviceNamed(io, options)
  const services = named === undefined ? apiServices : [named]
  let refusal: Finding | undefined
  for (const service of services) {
    const chosen = chosenWith(service)
    if (options.untested) return chosen
    const { config } = chosen.loaded
    const { findings } = await kindOf({ id: 'zai-api' }, upstreamKinds).examine({ id: 'zai-api' }, config, edge)
    const [finding] = findings
    if (finding === undefined || !failed(finding)) {
      io.stdout(`The key is ${finding?.says ?? 'accepted'}.\n`)
      if (finding?.next !== undefined) io.stdout(`  ${finding.next}\n`)
      return chosen
    }
    refusal ??= finding
  }
  // What an upstream says may be a sentence, or the beginning of one.
  const problem = refusal?.says.replace(/\.$/, '')
  const advice = refusal?.next?.replaceAll(settings.zaiApiBase.env, names)
  // Where all services were tried, none was named wrongly.
  const next = named === undefined && advice?.includes(names) ? '' : ` ${advice}`
  const tried =
    named === undefined
      ? `Tried: ${apiServices.join(', ')}. --service names one of them, or the URL of a server of your own.\n`
      : ''
  io.stderr(`zai2api: ${problem}.${next}\n${tried}Nothing was written; --untested writes all the same.\n`)
  return undefined

  function chosenWith(service: string): Chosen {
    const text = withTopLevelKeys(before, {
      [tomlKeyOf(settings.zaiApiKeys)]: key,
      [tomlKeyOf(settings.zaiApiBase)]: service === settings.zaiApiBase.default ? undefined : service,
    })
    const env = Object.fromEntries(Object.entries(io.env).filter(([name]) => !overriding.includes(name)))
    const readFile = (file: string) => (file === path ? text : undefined)
    return { text, loaded: loadConfig(new Map(), { ...io, env, readFile }, upstreamKinds) }
  }
}

/** The service that the user names, if any, and what names it. Errors: UsageError for anything that is no service. */
function serviceNamed({ env }: Io, { service }: SetupOptions): { named: string | undefined; names: string } {
  const variable = settings.zaiApiBase.env
  const ofVariable = env[variable]
  if (service !== undefined || !ofVariable) return { named: service, names: '--service' }
  return { named: checkedService(ofVariable, variable), names: variable }
}

/** Whether the gateway answers; prints what was found. */
async function triedOut({ config }: LoadedConfig, io: Io, edge: ProbeOptions): Promise<boolean> {
  const found: Finding[] = []
  for await (const finding of answers(config, io.version, edge, upstreamKinds)) {
    found.push(finding)
    io.stdout(`${finding.check}: ${finding.says}\n`)
  }
  if (found.every(passed)) return true
  io.stdout(`${io.self ?? 'zai2api'} doctor tells more.\n`)
  return false
}

function nextSteps(client: Client | undefined, io: Io): string {
  const { self = 'zai2api' } = io
  const program = programNames.find((name) => name === client)
  if (program !== undefined) {
    const first = installed(program, io) === undefined ? `${programs[program].install}, then ` : ''
    return `\nNext: ${first}${self} ${program}\n`
  }
  return `\nNext: ${self}\n      ${self} env ${client ?? 'openai'}   in another window, for your client\n`
}
