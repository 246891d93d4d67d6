import { closeSync, openSync, readSync } from 'node:fs'
import { platformName } from './release.ts'
import { versionOf } from './version-of.ts'

export interface Machine {
  /** The name of this machine in the names of archives. */
  platform: string
  /** Epoch milliseconds. */
  now(): number
  versionOf(path: string): Promise<string>
  /** What Linux lets a file do that root alone may do, as `setcap` takes it; '' for nothing. */
  capabilitiesOf(path: string): Promise<string>
}

export function thisMachine(): Machine {
  const { platform, arch, execPath } = process
  // A Debian may have the loader of musl, too; what runs here already is what runs here.
  const musl = platform === 'linux' && (isForMusl('/proc/self/exe') ?? isForMusl(execPath) ?? false)
  return { platform: platformName(platform, arch, musl), now: Date.now, versionOf, capabilitiesOf }
}

/** Whether an executable names the loader of musl, as it does in its first kilobyte; `undefined` if it cannot be read. */
export function isForMusl(path: string): boolean | undefined {
  const head = Buffer.alloc(4096)
  try {
    const descriptor = openSync(path, 'r')
    const length = readSync(descriptor, head)
    closeSync(descriptor)
    return head.subarray(0, length).includes('/lib/ld-musl-')
  } catch {
    return undefined
  }
}

async function capabilitiesOf(path: string): Promise<string> {
  const getcap = Bun.which('getcap', { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' })
  if (getcap === null) return ''
  const child = Bun.spawn([getcap, path], { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' })
  // `/path cap_net_bind_service=ep`; libcap of before 2021 has ` = cap_net_bind_service+ep`.
  const output = (await new Response(child.stdout).text()).trim()
  return output.startsWith(path) ? output.slice(path.length).replace(/^ (?:= )?/, '') : ''
}
