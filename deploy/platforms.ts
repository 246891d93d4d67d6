/** The platforms of a release: our name, Bun's name, npm's name for Bun's runtime, and what npm compares to install it. */
export const platforms = [
  {
    name: 'linux-x64',
    target: 'bun-linux-x64',
    runtime: '@oven/bun-linux-x64',
    os: 'linux',
    cpu: 'x64',
    libc: 'glibc',
  },
  {
    ...{ name: 'linux-arm64', target: 'bun-linux-arm64', runtime: '@oven/bun-linux-aarch64' },
    ...{ os: 'linux', cpu: 'arm64', libc: 'glibc' },
  },
  {
    ...{ name: 'linux-x64-musl', target: 'bun-linux-x64-musl', runtime: '@oven/bun-linux-x64-musl' },
    ...{ os: 'linux', cpu: 'x64', libc: 'musl' },
  },
  {
    ...{ name: 'linux-arm64-musl', target: 'bun-linux-arm64-musl', runtime: '@oven/bun-linux-aarch64-musl' },
    ...{ os: 'linux', cpu: 'arm64', libc: 'musl' },
  },
  { name: 'macos-x64', target: 'bun-darwin-x64', runtime: '@oven/bun-darwin-x64', os: 'darwin', cpu: 'x64' },
  { name: 'macos-arm64', target: 'bun-darwin-arm64', runtime: '@oven/bun-darwin-aarch64', os: 'darwin', cpu: 'arm64' },
  { name: 'windows-x64', target: 'bun-windows-x64', runtime: '@oven/bun-windows-x64', os: 'win32', cpu: 'x64' },
  {
    name: 'windows-arm64',
    target: 'bun-windows-arm64',
    runtime: '@oven/bun-windows-aarch64',
    os: 'win32',
    cpu: 'arm64',
  },
] as const satisfies readonly Platform[]

export interface Platform {
  name: string
  target: Bun.Build.CompileTarget
  runtime: string
  os: 'linux' | 'darwin' | 'win32'
  cpu: 'x64' | 'arm64'
  libc?: 'glibc' | 'musl'
}

/** The platforms of these names, or all. Errors: Error for a name that is none. */
export function platformsNamed(names: readonly string[]): readonly Platform[] {
  const unknown = names.filter((name) => !platforms.some((platform) => platform.name === name))
  if (unknown.length === 0) return names.length === 0 ? platforms : platforms.filter(({ name }) => names.includes(name))
  throw new Error(`No platform ${unknown.join(', ')}; there are ${platforms.map(({ name }) => name).join(', ')}.`)
}

export function executableName({ os }: Platform): string {
  return os === 'win32' ? 'zai2api.exe' : 'zai2api'
}
