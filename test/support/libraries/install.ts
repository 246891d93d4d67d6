import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'

/** Libraries of clients, pinned. They stay outside package.json, because only these tests need them. */
export const libraries = {
  npm: {
    '@langchain/core': '1.4.0',
    '@langchain/openai': '1.5.8',
    '@llamaindex/openai': '0.4.22',
  },
  pypi: {
    anthropic: '1.13.0',
    'google-genai': '2.25.0',
    openai: '3.22.1',
  },
} as const

const cache = resolve(import.meta.dir, '../../../.cache/libraries')
const deadlineMs = 300_000

/** The folder whose programs find the packages of npm. */
export const nodeFolder = folderOf('npm')
/** A Python that finds those of PyPI. */
export const python = join(folderOf('pypi'), 'bin/python')
/** Whether those of PyPI are there: a machine may reach npm's registry and not Python's. */
export const hasPythonPackages = () => existsSync(join(folderOf('pypi'), 'installed'))

/** Another set of versions is another folder. */
function folderOf(registry: keyof typeof libraries): string {
  const versions = Bun.hash(JSON.stringify(libraries[registry])).toString(36)
  return join(cache, `${registry}-${versions}`)
}

function specifiers(registry: keyof typeof libraries, between: string): string[] {
  return Object.entries(libraries[registry]).map(([name, version]) => `${name}${between}${version}`)
}

/** Installs into `folder`; resolves with the reason where that failed. A folder of a venv cannot be moved, so it is marked when it is done. */
async function install(
  registry: keyof typeof libraries,
  commands: (folder: string) => string[][],
): Promise<string | undefined> {
  const folder = folderOf(registry)
  const done = join(folder, 'installed')
  if (existsSync(done)) return
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const command of commands(folder)) {
    const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe', timeout: deadlineMs })
    const [code, said] = await Promise.all([child.exited, new Response(child.stderr).text()])
    if (code === 0) continue
    return `${command.slice(0, 3).join(' ')} … failed: ${said.trim().split('\n').at(-1) ?? code}`
  }
  await Bun.write(done, '')
}

// `make test-libraries` installs first.
if (import.meta.main) {
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--loglevel=error']
  const npm = await install('npm', (folder) => [
    ['npm', 'install', '--prefix', folder, ...quiet, ...specifiers('npm', '@')],
  ])
  if (npm !== undefined) {
    console.error(npm)
    process.exitCode = 1
  }
  const pypi = await install('pypi', (folder) => [
    ['python3', '-m', 'venv', folder],
    [join(folder, 'bin/pip'), 'install', '--quiet', '--retries', '1', ...specifiers('pypi', '==')],
  ])
  if (pypi !== undefined) console.error(`The packages for Python are left out. ${pypi}`)
}
