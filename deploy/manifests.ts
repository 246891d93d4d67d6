import { productSummary } from '../src/core/product-summary.ts'

export interface ReleaseFacts {
  version: string
  /** The address of the folder with the archives. */
  base: string
  /** Name of an archive → its SHA-256 in hexadecimal digits. */
  sums: ReadonlyMap<string, string>
  /** `2026-11-30` */
  date: string
}

/** The page of the project, as far as the address of a release tells it. */
function homepage({ base }: ReleaseFacts): string {
  return base.replace(/\/releases\/latest\/download$/, '')
}

const about = `${productSummary}, as one executable file`

/** What package managers of others read, by file name: Homebrew, Scoop and winget. Errors: Error for a missing archive. */
export function manifests(facts: ReleaseFacts): Record<string, string> {
  return { 'zai2api.rb': formula(facts), 'zai2api.json': scoop(facts), ...winget(facts) }
}

function archive({ version, base, sums }: ReleaseFacts, platform: string): { url: string; sha256: string } {
  const name = `zai2api-${version}-${platform}.${platform.startsWith('windows') ? 'zip' : 'tar.gz'}`
  const sha256 = sums.get(name)
  if (sha256 === undefined) throw new Error(`There is no ${name} in this release.`)
  // GitHub has each release in a folder of its own, whose files stay when there is a later one.
  return { url: `${base.replace(/\/latest\/download$/, `/download/v${version}`)}/${name}`, sha256 }
}

function formula(facts: ReleaseFacts): string {
  const source = (platform: string, indent: string) => {
    const { url, sha256 } = archive(facts, platform)
    return `${indent}url "${url}"\n${indent}sha256 "${sha256}"`
  }
  const onProcessors = (system: string, name: string) => `  on_${system} do
    on_arm do
${source(`${name}-arm64`, '      ')}
    end
    on_intel do
${source(`${name}-x64`, '      ')}
    end
  end`
  return `class Zai2api < Formula
  desc "${about}"
  homepage "${homepage(facts)}"
  version "${facts.version}"
  license "MIT"

${onProcessors('macos', 'macos')}

${onProcessors('linux', 'linux')}

  def install
    bin.install "zai2api"
    man1.install "man/zai2api.1"
    bash_completion.install "completions/zai2api.bash" => "zai2api"
    zsh_completion.install "completions/_zai2api"
    fish_completion.install "completions/zai2api.fish"
  end

  service do
    run [opt_bin/"zai2api", "serve"]
    keep_alive crashed: true
    log_path var/"log/zai2api.log"
    error_log_path var/"log/zai2api.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/zai2api version")
  end
end
`
}

function scoop(facts: ReleaseFacts): string {
  const of = (platform: string) => {
    const { url, sha256 } = archive(facts, platform)
    return { url, hash: sha256, extract_dir: `zai2api-${facts.version}-${platform}` }
  }
  const manifest = {
    ...{ version: facts.version, description: about, homepage: homepage(facts), license: 'MIT' },
    architecture: { '64bit': of('windows-x64'), arm64: of('windows-arm64') },
    bin: 'zai2api.exe',
  }
  return `${JSON.stringify(manifest, undefined, 4)}\n`
}

function winget(facts: ReleaseFacts): Record<string, string> {
  const id = 'zai2api.zai2api'
  const head = `PackageIdentifier: ${id}\nPackageVersion: ${facts.version}\n`
  const tail = (kind: string) => `ManifestType: ${kind}\nManifestVersion: 1.6.0\n`
  const installers = (['x64', 'arm64'] as const).map((cpu) => {
    const { url, sha256 } = archive(facts, `windows-${cpu}`)
    return `  - Architecture: ${cpu}
    InstallerUrl: ${url}
    InstallerSha256: '${sha256.toUpperCase()}'
    NestedInstallerFiles:
      - RelativeFilePath: zai2api-${facts.version}-windows-${cpu}\\zai2api.exe
        PortableCommandAlias: zai2api
`
  })
  return {
    [`${id}.yaml`]: `${head}DefaultLocale: en-US\n${tail('version')}`,
    [`${id}.installer.yaml`]: `${head}InstallerType: zip\nNestedInstallerType: portable\nReleaseDate: ${facts.date}\nInstallers:\n${installers.join('')}${tail('installer')}`,
    [`${id}.locale.en-US.yaml`]: `${head}PackageLocale: en-US\nPublisher: zai2api\nPackageName: zai2api\nLicense: MIT\nShortDescription: ${JSON.stringify(about)}\n${tail('defaultLocale')}`,
  }
}
