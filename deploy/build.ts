import { rm } from 'node:fs/promises'

export interface BuildOptions {
  outfile: string
  /** Another platform than this one: Bun's name for it, and a runtime of the same Bun version built for it. */
  cross?: { target: Bun.Build.CompileTarget; runtime: string }
}

/** Compiles the gateway into one executable that needs nothing beside it. Rejects when the code does not bundle. */
export async function build({ outfile, cross }: BuildOptions): Promise<void> {
  const { outputs } = await Bun.build({
    entrypoints: ['src/main.ts', 'src/attachments/pdf-worker.ts', 'src/gateway/structured/schema-worker.ts'],
    // Workers are looked for beside the program that starts them, whose folders are gone here.
    naming: { entry: '[name].[ext]' },
    format: 'esm',
    // Start-up takes a third of the time; the price is that nothing may await at the top level of a module.
    bytecode: true,
    // Short identifiers break Elysia, which reads handlers as text: every POST fails while every GET still passes.
    minify: { whitespace: true, syntax: true, identifiers: false },
    sourcemap: 'linked',
    define: { 'process.env.NODE_ENV': '"production"' },
    compile: {
      outfile,
      // Or a bunfig.toml in the folder it is started from could name a script to run first.
      autoloadDotenv: false,
      autoloadBunfig: false,
      ...(cross && { target: cross.target, executablePath: cross.runtime }),
    },
  })
  // The map is inside the executable as well; the file beside it serves nobody.
  for (const output of outputs) if (output.kind === 'sourcemap') await rm(output.path)
}

if (import.meta.main) {
  const outfile = 'dist/zai2api'
  await build({ outfile })
  console.log(`${outfile}  ${(Bun.file(outfile).size / 1e6).toFixed(0)} MB`)
}
