import { type Config, type LoadedConfig, loadConfig } from '../config/load.ts'
import { configWarnings, listenPolicy } from '../config/policy.ts'
import { proxyVariableProblem } from '../config/proxy-variables.ts'
import type { Destination } from '../config/setting.ts'
import { sourcesOf } from '../config/sources.ts'
import { builtInUpstreams, kindOf } from '../config/upstream-rows.ts'
import { UsageError } from '../config/usage-error.ts'
import { upstreamKinds } from '../upstreams/index.ts'
import { clientOf, completionShellOf, type Invocation, parseCommandLine, topicOf } from './arguments.ts'
import type { ClientProgram } from './client-programs.ts'
import { describeConfig } from './commands/config.ts'
import { db } from './commands/db.ts'
import type { EnvOptions } from './commands/env.ts'
import { service } from './commands/service.ts'
import { update } from './commands/update.ts'
import { completionShells } from './completions.ts'
import { databaseInvocation } from './db-actions.ts'
import { commandHelp, helpOn } from './help.ts'
import type { Io } from './io.ts'
import { type KeyInvocation, keyInvocation } from './key-actions.ts'
import { originOf } from './recipients.ts'
import { serviceOptions } from './service-options.ts'
import { type SetupOptions, setupOptions } from './setup-options.ts'
import { type Sending, sendingTo, trusted, trustProblem } from './trust.ts'

/** Lets a running server read its configuration again. */
export interface Reread {
  /** Loads and checks like the start does, except for the listen address, which cannot change. Errors: UsageError. */
  load(): LoadedConfig
  /** The configuration files to watch. */
  files: readonly string[]
}

/** The commands that need the rest of the program. Each resolves with its exit code. */
export interface Commands {
  setup(io: Io, options: SetupOptions): Promise<number>
  serve(loaded: LoadedConfig, io: Io, reread: Reread): Promise<number>
  demo(loaded: LoadedConfig, io: Io): Promise<number>
  models(config: Config, io: Io, options: { json: boolean }): Promise<number>
  quota(config: Config, io: Io, options: { json: boolean }): Promise<number>
  key(config: Config, io: Io, options: KeyInvocation & { json: boolean }): Promise<number>
  launch(program: ClientProgram, args: readonly string[], loaded: LoadedConfig, io: Io): Promise<number>
  env(loaded: LoadedConfig, io: Io, options: EnvOptions): Promise<number>
  /** Loads the configuration itself, because an invalid configuration is one of its findings. */
  doctor(load: () => LoadedConfig, io: Io, options: { json: boolean; offline: boolean }): Promise<number>
}

/** Runs one command line. Resolves with the exit code, which is 2 for an invalid command line or configuration. */
export async function runCli(argv: readonly string[], io: Io, commands: Commands): Promise<number> {
  try {
    const invocation = parseCommandLine(argv)
    if (!invocation.help) return await run(invocation, io, commands)
    io.stdout(invocation.named ? commandHelp(invocation.command) : helpOn(undefined))
    return 0
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown
    io.stderr(`zai2api: ${thrown.message}\n`)
    return 2
  }
}

async function run(invocation: Invocation, io: Io, commands: Commands): Promise<number> {
  const { command, json, offline, shell, rest, flags, options } = invocation
  const sent = (others: readonly Destination[], prompts: Sending['prompts']) => {
    const loaded = loadConfig(flags, io, upstreamKinds)
    return trusted(loaded, io, sendingTo(loaded.config, others, prompts))
  }
  switch (command) {
    case 'setup':
      return await commands.setup(io, setupOptions(options))
    case 'db': {
      const loaded = loadConfig(flags, io, upstreamKinds)
      return await db(loaded.config, io, { ...databaseInvocation(rest), json })
    }
    case 'service':
      return await service(io, serviceOptions(rest, options))
    case 'update': {
      const keyFile = options.get('release-key')
      return await update(io, { check: options.has('check'), from: options.get('from'), keyFile })
    }
    case 'completions':
      io.stdout(completionShells[completionShellOf(rest)]())
      return 0
    case 'help':
      io.stdout(helpOn(topicOf(rest)))
      return 0
    case 'version':
      io.stdout(`zai2api ${io.version}\n`)
      return 0
    case 'config': {
      const loaded = loadConfig(flags, io, upstreamKinds)
      io.stdout(describeConfig(loaded, { json }))
      const refusal = trustProblem(loaded, io, sendingTo(loaded.config, ['collector'], 'passed on'))
      const warnings = [
        ...configWarnings(loaded).map(({ message }) => message),
        ...(refusal === undefined ? [] : [`${refusal.problem}; ${refusal.remedy}`]),
      ]
      for (const message of warnings) io.stderr(`zai2api: ${message}\n`)
      return 0
    }
    case 'demo': {
      const loaded = loadConfig(flags, io, upstreamKinds)
      const alone: LoadedConfig = { ...loaded, config: { ...loaded.config, upstreams: [{ id: 'demo' }] } }
      return await commands.demo(admitted(trusted(alone, io, sendingTo(alone.config, ['collector'], 'passed on'))), io)
    }
    case 'serve': {
      const load = () => connected(sent(['collector'], 'passed on'), io)
      return await commands.serve(admitted(load()), io, { load, files: sourcesOf(flags, io).files })
    }
    case 'models':
      return await commands.models(connected(sent(['gateway'], 'none'), io).config, io, { json })
    case 'quota': {
      const withQuota = builtInUpstreams.filter((id) => kindOf({ id }, upstreamKinds).quota !== undefined)
      const loaded = trusted(loadConfig(flags, io, upstreamKinds), io, { credentialsOf: withQuota, prompts: 'none' })
      return await commands.quota(connected(loaded, io).config, io, { json })
    }
    case 'key': {
      const loaded = loadConfig(flags, io, upstreamKinds)
      return await commands.key(loaded.config, io, { ...keyInvocation(rest, invocation.members), json })
    }
    case 'claude':
    case 'codex':
    case 'gemini':
    case 'opencode':
    case 'qwen':
    case 'pi':
    case 'cline':
    case 'aider':
    case 'goose':
    case 'crush':
      return await commands.launch(command, rest, reachable(sent(['gateway', 'collector'], 'typed'), io), io)
    case 'env': {
      const client = clientOf(rest)
      return await commands.env(reachable(sent(['gateway'], 'typed'), io), io, { client, shell })
    }
    case 'doctor':
      return await commands.doctor(() => sent([], 'passed on'), io, { json, offline })
    default:
      return command satisfies never
  }
}

/** Returns the configuration if it may listen on its address. Errors: UsageError. */
function admitted(loaded: LoadedConfig): LoadedConfig {
  const policy = listenPolicy(loaded, (bytes) => crypto.getRandomValues(bytes))
  if (!policy.ok) throw new UsageError(policy.message)
  return loaded
}

/** Returns the configuration if the proxy variables can be used. Errors: UsageError. */
function connected(loaded: LoadedConfig, io: Io): LoadedConfig {
  const problem = proxyVariableProblem(io.env)
  if (problem !== undefined) throw new UsageError(problem)
  return loaded
}

/** Like `connected`, but the demo alone needs no network and so accepts any proxy variable. */
function reachable(loaded: LoadedConfig, io: Io): LoadedConfig {
  const { config } = loaded
  if (config.upstreams.some((instance) => originOf(instance, config) !== undefined)) connected(loaded, io)
  return loaded
}
