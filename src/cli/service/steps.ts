import { chmodSync, lstatSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Io } from '../io.ts'
import { putInPlace, removeLeftovers, writeBeside } from '../replace-file.ts'
import { writePrivateFile } from '../write-private-file.ts'
import type { ServiceStep, WriteStep } from './service-manager.ts'

/**
 * Runs a command, at this terminal or, if it is to be quiet, without its output. Resolves with its exit code. Rejects if
 * there is no such program.
 */
export type RunCommand = (command: readonly string[], isQuiet?: boolean) => Promise<number>

export interface StepTools {
  io: Io
  run: RunCommand
  wait(ms: number): Promise<void>
}

interface Doing extends StepTools {
  dryRun: boolean
}

/** Does the steps in order, or prints them. Resolves with the exit code of the first one that fails. */
export async function follow(steps: readonly ServiceStep[], { dryRun, ...tools }: Doing): Promise<number> {
  const { io } = tools
  for (const step of steps) {
    if (dryRun) io.stdout(textOf(step))
    else {
      const code = await done(step, tools).catch((cause: unknown) => {
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
    case 'folder':
      return `make ${step.path} (mode ${octal(step.mode)}${owned(step)})\n`
    case 'write': {
      const facts = `${octal(step.mode)}${owned(step)}${step.encoding ? `, ${step.encoding}` : ''}`
      const kept = step.keep ? ', unless it is there' : ''
      const text = step.text.replace(/^((?:auth_token|zai_api_key) = ").+"$/gm, '$1…"')
      return `write ${step.path} (mode ${facts}${kept}):\n${text.replace(/^(?=.)/gm, '    ')}`
    }
    case 'copy':
      return `copy ${step.from} to ${step.path} (mode ${octal(step.mode)})\n`
    case 'remove':
      return `remove ${step.path}\n`
    case 'run':
      return `run ${step.command.join(' ')}\n`
    case 'wait until it is gone':
      return `wait until it is gone${step.seconds > 0 ? `, ${step.seconds} s at most` : ''}: ${step.command.join(' ')}\n`
    default:
      return step satisfies never
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

function owned({ owner }: { owner?: string }): string {
  return owner === undefined ? '' : `, owner ${owner}`
}

async function done(step: ServiceStep, tools: StepTools): Promise<number> {
  const run = (command: readonly string[]) => exitCodeOf(command, tools.io, tools.run)
  switch (step.kind) {
    case 'folder':
      return made(step, run)
    case 'write':
      return written(step, run)
    case 'copy':
      makeFolder(dirname(step.path), 0o755)
      removeLeftovers(step.path)
      replaceFile(step.path, readFileSync(step.from), step.mode)
      return 0
    case 'remove':
      rmSync(step.path, { recursive: true, force: true })
      return 0
    case 'run': {
      const code = await run(step.command)
      return step.mayFail ? 0 : code
    }
    case 'wait until it is gone':
      return (await failsIn(step.seconds, step.command, tools)) ? 0 : 1
    default:
      return step satisfies never
  }
}

type Run = (command: readonly string[]) => Promise<number>

/** The mode holds for every folder that is made, also where the umask would let others write to them. */
function makeFolder(path: string, mode: number): void {
  mkdirSync(path, { recursive: true, mode })
}

async function made({ path, mode, owner }: ServiceStep & { kind: 'folder' }, run: Run): Promise<number> {
  makeFolder(path, mode)
  if (owner === undefined) return 0
  // The folder may be a link of root; a former owner loses it before anything in it is touched.
  return await given(realpathSync(path), mode, owner, run)
}

/**
 * Files are made under another name and renamed: a link that lies in wait is replaced, and not followed. Errors: those of
 * the file system; an Error if a file that is kept and gets an owner leads to another one.
 */
async function written({ path, mode, owner, keep, ...content }: WriteStep, run: Run): Promise<number> {
  const isKept = keep && lstatSync(path, { throwIfNoEntry: false }) !== undefined
  if (!isKept) {
    if (mode === 0o600) writePrivateFile(path, content.text)
    else {
      makeFolder(dirname(path), 0o755)
      replaceFile(path, bytesOf(content), owner === undefined ? mode : 0o600)
    }
  }
  if (owner === undefined) return 0
  const stat = lstatSync(path)
  if (!stat.isFile() || stat.nlink > 1)
    throw new Error(`${path} is a link or has another name; put the file itself there`)
  return await given(path, mode, owner, run)
}

function bytesOf({ text, encoding }: Pick<WriteStep, 'text' | 'encoding'>): Uint8Array {
  return encoding === 'UTF-16' ? Buffer.from(`\ufeff${text}`, 'utf16le') : Buffer.from(text)
}

/** The owner comes first, so that a former one gets no rights by the mode. */
async function given(path: string, mode: number, owner: string, run: Run): Promise<number> {
  const code = await run(['chown', '-h', owner, path])
  if (code === 0) chmodSync(path, mode)
  return code
}

/** A program that runs cannot be written to, but its file can be replaced. */
function replaceFile(path: string, bytes: Uint8Array, mode: number): void {
  const fresh = writeBeside(path, bytes, { mode })
  try {
    putInPlace(fresh, path)
  } finally {
    rmSync(fresh, { force: true })
  }
}

/** Whether the command fails within this time; asked at once, and then once a second. */
async function failsIn(seconds: number, command: readonly string[], { run, wait }: StepTools): Promise<boolean> {
  for (let left = seconds; ; left--) {
    if ((await run(command, true).catch(() => notFound)) !== 0) return true
    if (left <= 0) return false
    await wait(1_000)
  }
}
