import packageJson from '../../package.json' with { type: 'json' }
import { agents } from './agents/install.ts'
import { libraries } from './libraries/install.ts'

// `make outdated` lists packages with a newer version than the pinned one. It changes nothing and always succeeds.

interface Pinned {
  label: string
  name: string
  version: string
}

const packages = Object.entries({ ...packageJson.dependencies, ...packageJson.devDependencies }).map(
  ([label, version]): Pinned => {
    // An alias, for a second version of a package: `npm:openai@6.49.0`.
    const [, name = label, aliased = version] = /^npm:(.+)@(.+)$/.exec(version) ?? []
    return { label, name, version: aliased }
  },
)
const judges = [
  ...Object.entries(agents).map(([label, { name, version }]): Pinned => ({ label, name, version })),
  ...Object.entries(libraries.npm).map(([name, version]): Pinned => ({ label: name, name, version })),
]

/** Packages that are kept at an old version on purpose. */
const heldBack: Record<string, string> = {
  'openai-6': 'the version before, which many programs still have',
  'Claude Code 2.1.197': 'what npm picks for node 20',
  'oxc-parser': 'the version that knip brings',
}

/** What npm names `latest`; `undefined` where it cannot be reached. */
async function latestOf(name: string): Promise<string | undefined> {
  const child = Bun.spawn(['npm', 'view', name, 'version', '--fetch-retries=1'], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
    timeout: 30_000,
  })
  const [said, code] = await Promise.all([new Response(child.stdout).text(), child.exited])
  return code === 0 ? said.trim() || undefined : undefined
}

const pinned = [...packages, ...judges]
const latest = new Map<string, string | undefined>()
// Four at a time: each is a process of its own.
const names = [...new Set(pinned.map(({ name }) => name))]
const work = async () => {
  for (let name = names.pop(); name !== undefined; name = names.pop()) latest.set(name, await latestOf(name))
}
await Promise.all([work(), work(), work(), work()])

const isOlder = ({ name, version }: Pinned) => Bun.semver.order(latest.get(name) ?? version, version) > 0
const older = pinned.filter(isOlder)
for (const { label, name, version } of older) {
  const why = heldBack[label]
  console.log(`${label}: ${version}, and npm has ${latest.get(name)}${why ? ` (held back: ${why})` : ''}`)
}
const unknown = pinned.filter(({ name }) => latest.get(name) === undefined)
if (unknown.length > 0) console.log(`npm did not tell of ${unknown.map(({ label }) => label).join(', ')}`)
if (older.length === 0 && unknown.length === 0) console.log(`All ${pinned.length} pinned versions are the newest.`)
