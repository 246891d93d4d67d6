import { posix, win32 } from 'node:path'
import type { ServicePlace, ServiceStep } from './service-manager.ts'

export interface ProgramPlace {
  program: string
  /** Puts the program there, if it is not. */
  copy: readonly ServiceStep[]
}

/**
 * Where the service of a user runs its program. A download or the cache of `npx` may be gone tomorrow, so that the service
 * gets a copy at `copyPath`. What is in a folder of PATH, of the system or of npm stays where it is updated.
 */
export function lastingProgram({ executable, searchPath }: ServicePlace, copyPath: string): ProgramPlace {
  const { dirname } = executable.includes('\\') ? win32 : posix
  const isPackage = /[\\/]node_modules[\\/]/.test(executable) && !/[\\/]_npx[\\/]/.test(executable)
  const isOfSystem = /^(?:\/(?:usr|opt|nix|home\/linuxbrew)\/|[A-Za-z]:\\Program Files)/.test(executable)
  return isPackage || isOfSystem || searchPath.includes(dirname(executable))
    ? { program: executable, copy: [] }
    : copied(executable, copyPath)
}

export function copied(executable: string, copyPath: string): ProgramPlace {
  if (executable === copyPath) return { program: copyPath, copy: [] }
  return { program: copyPath, copy: [{ kind: 'copy', from: executable, path: copyPath, mode: 0o755 }] }
}
