import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Io } from '../io.ts'
import { putInPlace, removeLeftovers, writeBeside } from '../replace-file.ts'
import { writePrivateFile } from '../write-private-file.ts'
import type { ServiceStep } from './service-manager.ts'

/** Runs a command at this terminal. Resolves with its exit code. Rejects if there is no such program. */
export type RunCommand = (command: readonly string[]) => Promise<number>

interface Doing {
  dryRun: boolean
  io: Io
  run: RunCommand
}

/** Does the steps in order, or prints them. Resolves with the exit code of the first one that fails. */
export async function follow(steps: readonly ServiceStep[], { dryRun, io, run }: Doing): Promise<number> {
  for (const step of steps) {
    if (dryRun) io.stdout(textOf(step))
    else {
      const code = await done(step, (command) => exitCodeOf(command, io, run)).catch((cause: unknown) => {
        io.stderr(`zai2api: ${cause instanceof Error ? cause.message : cause}\n`)
        return 1
      })
      if (code !== 0) {
        io.stderr(`zai2api: this failed: ${textOf(step)}`)
        return code
      }
    }
  }
  return 0
}

/** The exit code of shells for a program that is not there. */
const notFound = 127

/** Runs a command. A missing program is named in the output and counts as a failure. */
export function exitCodeOf(command: readonly string[], { stderr }: Io, run: RunCommand): Promise<number> {
  return run(command).catch(() => {
    stderr(`zai2api: there is no ${command[0]} on this machine\n`)
    return notFound
  })
}

/** A secret in a file is not printed, because terminals keep logs. */
function textOf(step: ServiceStep): string {
  switch (step.kind) {
    case 'write': {
      const owner = step.owner === undefined ? '' : `, owner ${step.owner}`
      const kept = step.keep ? ', unless it is there' : ''
      const text = step.text.replace(/^((?:auth_token|zai_api_key) = ").+"$/gm, '$1…"')
      return `write ${step.path} (mode ${step.mode.toString(8).padStart(4, '0')}${owner}${kept}):\n${text.replace(/^(?=.)/gm, '    ')}`
    }
    case 'copy':
      return `copy ${step.from} to ${step.path} (mode ${step.mode.toString(8).padStart(4, '0')})\n`
    case 'remove':
      return `remove ${step.path}\n`
    case 'run':
      return `run ${step.command.join(' ')}\n`
    default:
      return step satisfies never
  }
}

async function done(step: ServiceStep, run: RunCommand): Promise<number> {
  switch (step.kind) {
    case 'write':
      if (step.keep && existsSync(step.path)) return 0
      if (step.mode === 0o600) writePrivateFile(step.path, step.text)
      else {
        mkdirSync(dirname(step.path), { recursive: true })
        writeFileSync(step.path, step.text, { mode: step.mode })
      }
      if (step.owner === undefined) return 0
      // The folder was made for root alone.
      return run(['chown', '-R', `${step.owner}:`, dirname(step.path)])
    case 'copy':
      // A program that runs cannot be written to, but its file can be replaced.
      mkdirSync(dirname(step.path), { recursive: true, mode: 0o755 })
      removeLeftovers(step.path)
      putInPlace(writeBeside(step.path, readFileSync(step.from), { mode: step.mode }), step.path)
      return 0
    case 'remove':
      rmSync(step.path, { recursive: true, force: true })
      return 0
    case 'run': {
      const code = await run(step.command)
      return step.mayFail ? 0 : code
    }
    default:
      return step satisfies never
  }
}
