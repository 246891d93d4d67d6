import { beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Language, type Node, Parser, type Tree } from 'web-tree-sitter'
import { installScript } from '../../deploy/install-script.ts'
import { platforms } from '../../deploy/platforms.ts'
import { writeBeside } from '../../src/cli/replace-file.ts'
import { configFolder, stateFolder } from '../../src/config/folders.ts'
import { newReleaseKey, releaseOf } from '../support/release.ts'

// PowerShell is not installed where this is developed, so the script is read and not run: by a grammar of its language,
// and part by part against the release and the script for other systems.
const text = readFileSync('deploy/install.ps1', 'utf8')
const shellScript = readFileSync('deploy/install.sh', 'utf8')

let parser: Parser
let tree: Tree
beforeAll(async () => {
  await Parser.init()
  const grammar = import.meta.resolve('tree-sitter-powershell/tree-sitter-powershell.wasm').replace('file://', '')
  parser = new Parser().setLanguage(await Language.load(grammar))
  tree = parsed(text)
})

function parsed(script: string): Tree {
  const made = parser.parse(script)
  if (made === null) throw new Error('the grammar gave nothing')
  return made
}

function nodes(kind: string): Node[] {
  return tree.rootNode.descendantsOfType(kind).filter((node) => node !== null)
}

function unique(words: readonly string[]): string[] {
  return [...new Set(words)].sort()
}

describe('install.ps1', () => {
  test('is PowerShell, and a slip would be seen', () => {
    expect(tree.rootNode.hasError).toBe(false)
    expect(parsed(text.replace('finally {', 'finally')).rootNode.hasError).toBe(true)
  })

  test('is understood by Windows PowerShell 5.1: plain ASCII, and no operator of later versions', () => {
    expect(text).toMatch(/^[\n\x20-\x7e]+$/)
    const code = text.replaceAll(/<#[\s\S]*?#>|#.*|'[^'\n]*'|"[^"\n]*"/g, '')
    expect(code.match(/&&|\|\||\?\?|\?\.|\? /g)).toBeNull()
  })

  test('calls only its own functions and cmdlets that both versions have', () => {
    const own = nodes('function_name').map((node) => node.text)
    const called = unique(nodes('command_name').map((node) => node.text))
    expect(called.filter((name) => !own.includes(name))).toEqual(
      'Copy-Item Expand-Archive ForEach-Object Get-ChildItem Get-Command Get-FileHash Get-ItemProperty Invoke-WebRequest Join-Path Move-Item New-Item New-Object Out-Null Remove-Item Select-Object Set-StrictMode Test-Path Where-Object Write-Output'.split(
        ' ',
      ),
    )
    expect(own.filter((name) => !called.includes(name))).toEqual([])
  })

  test('leaves the settings and the window of the session that it is piped into alone', () => {
    expect(nodes('flow_control_statement').filter((node) => /^exit\b/.test(node.text))).toEqual([])
    expect(parsed('if ($a) { exit 1 }').rootNode.descendantsOfType('flow_control_statement')).toHaveLength(1)
    const outside = text.replaceAll(/^function [\s\S]*?^\}$/gm, '')
    expect(outside).not.toMatch(/Preference|Set-StrictMode/)
  })

  test('finds the archive of each Windows machine in the list of a release', () => {
    const names = platforms.map(({ name }) => name)
    const list = String(releaseOf('9.8.7', names).files.get('SHA256SUMS')).split('\n')
    const pattern = /-cmatch "(.+)"\) \{/.exec(text)?.[1] ?? ''
    const found = ['x64', 'arm64'].map((arch) => {
      const matches = list.flatMap((line) => new RegExp(pattern.replace('$arch', arch)).exec(line) ?? [])
      return matches.slice(2)
    })
    expect(found).toEqual([
      ['zai2api-9.8.7-windows-x64', '9.8.7'],
      ['zai2api-9.8.7-windows-arm64', '9.8.7'],
    ])
  })

  test('takes keys and signatures apart where minisign joins them', () => {
    const key = newReleaseKey()
    const head = [...(/\$head = (.+)/.exec(text)?.[1] ?? '').matchAll(/0x[0-9a-f]{2}/g)].map(([byte]) => Number(byte))
    const [, from, to] = /\$head \+ \$key\[(\d+)\.\.(\d+)\]/.exec(text) ?? []
    const raw = Buffer.from(key.publicKey, 'base64').subarray(Number(from), Number(to) + 1)
    const publicKey = Buffer.concat([Buffer.from(head), raw])
    const { files } = releaseOf('9.8.7', ['windows-x64'])
    const signature = Buffer.from(String(files.get('SHA256SUMS.minisig')).split('\n')[1] ?? '', 'base64')
    const [, start, end] = /\[byte\[\]\]\$signature\[(\d+)\.\.(\d+)\]/.exec(text) ?? []
    expect(publicKey).toHaveLength(44)
    expect(Number(end) + 1).toBe(signature.length)
    expect(Number(end) + 1 - Number(start)).toBe(64)
  })

  test('gives the same reasons as install.sh', () => {
    const own = [
      'on Linux and macOS run install.sh',
      'the release has no archive for windows-$',
      'there is no zai2api.exe in $; - names another folder',
      '$ is a folder; - names another place',
      '$ is $ already, and the release is $; - $ takes it all the same',
      'a service runs it (the task zai2api); first: $ service uninstall',
    ]
    const ofShell = unique([...shellScript.matchAll(/fail (?:'([^'\n]+)'|"([^"\n]+)")/g)].map(complaintOf))
    const thrown = /(?:'install: ([^'\n]+)'|"install: ([^"\n]+)")/g
    const passed = /Get-ReleaseFile \S+ \S+ (?:'([^'\n]+)'|"([^"\n]+)")/g
    const ofPowerShell = unique([...text.matchAll(thrown), ...text.matchAll(passed)].map(complaintOf))
    expect(ofPowerShell.filter((each) => !ofShell.includes(each) && !own.includes(each))).toEqual(['$'])
  })

  test('brings the old executable back if the new one cannot take its place', () => {
    const body = nodes('function_statement').find((node) => node.text.startsWith('function Set-Executable'))
    const caught = body?.descendantsOfType('catch_clause').map((node) => node?.text)
    expect(caught).toEqual([expect.stringMatching(/Move-Item -LiteralPath \$old -Destination \$Path\s+throw/)])
  })

  test('calls the files beside it as zai2api update does, which clears them away', () => {
    const pattern = /-match '(\^\(.+)' \}/.exec(text)?.[1] ?? ''
    const folder = mkdtempSync(join(tmpdir(), 'zai2api-ps1-'))
    const fresh = writeBeside(join(folder, 'zai2api.exe'), new Uint8Array(), { mode: 0o755 })
    expect(basename(fresh)).toMatch(new RegExp(pattern))
    rmSync(folder, { recursive: true })
  })

  test('names the folders of settings and data', () => {
    const env = { OS: 'Windows_NT', APPDATA: '/APPDATA', LOCALAPPDATA: '/LOCALAPPDATA' }
    const inScript = (path = '') => path.replace('/', '$env:').replace('/', '\\')
    const [settings, data] = [inScript(configFolder(env)), inScript(stateFolder(env))]
    expect(text).toContain(`Settings stay in ${settings}, data in ${data}.`)
  })

  test('gets the address and the key of its release, as install.sh does', () => {
    const origin = { base: 'https://downloads.example/zai2api', publicKey: 'RWQ+key/' }
    const filled = installScript(text, origin)
    expect(filled).toContain(`    $releases = '${origin.base}'\n    $publicKey = '${origin.publicKey}'\n`)
    expect(parsed(filled).rootNode.hasError).toBe(false)
    const shell = installScript(shellScript, origin)
    expect(shell).toContain(`\${ZAI2API_RELEASES:-${origin.base}}\n`)
    expect(shell).toContain(`\${ZAI2API_RELEASE_KEY:-${origin.publicKey}}\n`)
    expect(installScript(text, { base: undefined, publicKey: undefined })).toBe(text)
  })
})

/** What a script says, with `$` for what it fills in and options by their dash alone: both write them in their own way. */
function complaintOf([, single, double]: RegExpExecArray): string {
  return (single ?? double ?? '')
    .replaceAll(/\$\([^)]*\)|\$\{[^}]*\}|\$(?:env:)?\w+/g, '$')
    .replaceAll(/--?(?:from|dir|version)/gi, '-')
}
