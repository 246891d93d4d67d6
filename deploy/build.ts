import { rm } from 'node:fs/promises'
import type { BunPlugin } from 'bun'
import { bundlePage, type PageFiles } from '../src/page/bundle.ts'
import { packTable } from '../src/tokens/ranks.ts'
import { rankTable } from '../src/tokens/ranks-file.ts'

/** Where releases are, and the key of their signatures, for `zai2api update`. */
export interface ReleaseOrigin {
  base: string | undefined
  publicKey: string | undefined
}

export interface BuildOptions {
  outfile: string
  release?: ReleaseOrigin
  /** Builds for another platform: Bun's name for it, and the path of Bun's runtime for it, in the same version. */
  cross?: { target: Bun.Build.CompileTarget; runtime: string }
}

/** Compiles the gateway into one executable that needs no other files. Rejects if the code cannot be bundled. */
export async function build({ outfile, cross, release }: BuildOptions): Promise<void> {
  const { outputs } = await Bun.build({
    entrypoints: ['src/main.ts', 'src/attachments/pdf-worker.ts', 'src/gateway/structured/schema-worker.ts'],
    // Workers are looked up beside the file that starts them, and the bundle has no folders.
    naming: { entry: '[name].[ext]' },
    plugins: [finishedPage(await bundlePage()), finishedVocabulary(await packedVocabulary())],
    format: 'esm',
    // Start-up takes a third of the time. Modules must not use `await` at their top level with it.
    bytecode: true,
    // What most gateways never use, such as the client of MCP, is a file of its own: 2 MB less are read at the start.
    splitting: true,
    // Short identifiers break Elysia, which reads handlers as text: every POST fails while every GET still passes.
    minify: { whitespace: true, syntax: true, identifiers: false },
    sourcemap: 'linked',
    define: {
      'process.env.NODE_ENV': '"production"',
      RELEASE_BASE: release?.base === undefined ? 'undefined' : JSON.stringify(release.base),
      RELEASE_KEY: release?.publicKey === undefined ? 'undefined' : JSON.stringify(release.publicKey),
    },
    compile: {
      outfile,
      // Otherwise a bunfig.toml in the working directory could run a script at the start.
      autoloadDotenv: false,
      autoloadBunfig: false,
      ...(cross && { target: cross.target, executablePath: cross.runtime }),
    },
  })
  // The source map is also inside the executable, so the file beside it is not needed.
  for (const output of outputs) if (output.kind === 'sourcemap') await rm(output.path)
}

/** Puts the bundled page into the executable, which has no bundler. */
function finishedPage(files: PageFiles): BunPlugin {
  const contents = `const files = ${JSON.stringify(files)}; export const pageFiles = async () => files`
  return {
    name: 'finished page',
    setup(builder) {
      builder.onLoad({ filter: /[/\\]src[/\\]page[/\\]assets\.ts$/ }, () => ({ contents, loader: 'js' }))
    },
  }
}

/** The table of the vocabulary as a file, in the working directory, so that no other path gets into the executable. */
async function packedVocabulary(): Promise<string> {
  const path = '.cache/vocabulary.bin'
  await Bun.write(path, packTable(await rankTable()))
  return path
}

/** Puts the vocabulary's finished table into the executable. */
function finishedVocabulary(path: string): BunPlugin {
  const contents = `import table from '../../${path}' with { type: 'file' }
    import { unpackTable } from './ranks.ts'
    export const rankTable = async () => unpackTable(await Bun.file(table).bytes())`
  return {
    name: 'finished vocabulary',
    setup(builder) {
      builder.onLoad({ filter: /[/\\]src[/\\]tokens[/\\]ranks-file\.ts$/ }, () => ({ contents, loader: 'js' }))
    },
  }
}

if (import.meta.main) {
  const outfile = 'dist/zai2api'
  await build({ outfile })
  console.log(`${outfile}  ${(Bun.file(outfile).size / 1e6).toFixed(0)} MB`)
}
