import { posix, win32 } from 'node:path'
import { quoteForShell } from '../shell-syntax.ts'
import type { Left, ServicePlace, ServiceStep } from './service-manager.ts'

export interface ProgramPlace {
  program: string
  /** Puts the program there, if it is not. */
  copy: readonly ServiceStep[]
}

/**
 * Where the service of a user runs its program. A download, a temporary folder, the packages of a project or the cache of
 * `npx` may be gone tomorrow, so that the service gets a copy at `copyPath`. What is in a folder of PATH, of the system or
 * of the packages of the user stays where it is updated.
 */
export function lastingProgram(place: ServicePlace, copyPath: string): ProgramPlace {
  const { executable, profileLink } = place
  const name = nameThatStays(executable)
  if (name !== undefined) return { program: name, copy: [] }
  // Nix removes a path of its store that nothing leads to, and each version has another one.
  if (inNixStore.test(executable))
    return profileLink === undefined ? copied(executable, copyPath) : { program: profileLink, copy: [] }
  return staysInPlace(place) ? { program: executable, copy: [] } : copied(executable, copyPath)
}

export function copied(executable: string, copyPath: string): ProgramPlace {
  if (executable === copyPath) return { program: copyPath, copy: [] }
  return { program: copyPath, copy: [{ kind: 'copy', from: executable, path: copyPath, mode: 0o755 }] }
}

/** A program that `uninstall` leaves, and the command of a shell that removes it. */
export function fileLeft(path: string): Left {
  return { what: path, path, removal: `rm ${quoteForShell(path)}` }
}

/** A folder that Homebrew or Scoop makes for one version, which the next one replaces, and the name that leads to both. */
const versions: readonly (readonly [RegExp, string])[] = [
  [/^(.*)\/Cellar\/([^/]+)\/[^/]+\/(.*)$/, '$1/opt/$2/$3'],
  [/^(.*\\scoop\\apps\\[^\\]+\\)[^\\]+(\\.*)$/i, '$1current$2'],
]

function nameThatStays(executable: string): string | undefined {
  const version = versions.find(([pattern]) => pattern.test(executable))
  return version && executable.replace(...version)
}

export const inNixStore = /\/nix\/store\//

/** Where every user may put files, and what a restart of the machine or a cleaning empties. */
const temporary =
  /^(?:\/(?:var\/|private\/|private\/var\/)?(?:tmp|folders)|\/dev\/shm|\/run|[A-Za-z]:\\Windows\\Temp)[\\/]|\\Local\\Temp\\/i

/** Caches, and what `npx`, `bunx`, `yarn dlx` and `pnpm dlx` unpack; `.pnpm` has a folder for each version. */
const cache = /[\\/](?:\.?cache|caches|npm-cache|_npx|dlx(?:-[^\\/]*)?|bunx-[^\\/]*|xfs-[^\\/]*|\.pnpm)[\\/]/i

/** The packages that npm, Bun and Yarn install for a user or a machine, and not for a project. */
const globalPackages = /[\\/](?:lib|npm|global)[\\/]node_modules[\\/]/

const ofSystem = /^(?:\/(?:usr|opt|home\/linuxbrew)\/|[A-Za-z]:\\Program Files)/

/** Whether the executable will be where it is after the next restart of the machine. */
export function staysInPlace({ executable, searchPath, temporaryFolder }: ServicePlace): boolean {
  const { dirname, sep } = executable.includes('\\') ? win32 : posix
  if (temporary.test(executable) || cache.test(executable)) return false
  if (temporaryFolder !== undefined && executable.startsWith(`${temporaryFolder}${sep}`)) return false
  if (/[\\/]node_modules[\\/]/.test(executable)) return globalPackages.test(executable)
  return ofSystem.test(executable) || searchPath.includes(dirname(executable))
}
