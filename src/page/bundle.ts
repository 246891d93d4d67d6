import { join } from 'node:path'

/** What a browser is given: the document, and the files it names. */
export interface PageFiles {
  /** With `STYLE` and `SCRIPT` replaced by addresses relative to the root of the gateway. */
  index: string
  /** By name; a name holds a hash of the content. */
  files: Record<string, { type: string; text: string }>
}

const types: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
}

/** Bundles the page in memory, screens that few visits need in files of their own. Rejects if it cannot be bundled. */
export async function bundlePage(): Promise<PageFiles> {
  const here = import.meta.dir
  const { outputs } = await Bun.build({
    entrypoints: [join(here, 'main.tsx'), join(here, 'styles/page.css')],
    naming: { entry: '[name]-[hash].[ext]', chunk: '[name]-[hash].[ext]' },
    splitting: true,
    target: 'browser',
    format: 'esm',
    minify: true,
    jsx: { runtime: 'automatic', importSource: 'preact', development: false },
  })
  const files: PageFiles['files'] = {}
  let index = await Bun.file(join(here, 'index.html')).text()
  for (const output of outputs) {
    const name = output.path.replace(/^.*[/\\]/, '')
    const extension = name.slice(name.lastIndexOf('.'))
    files[name] = { type: types[extension] ?? 'application/octet-stream', text: await output.text() }
    if (extension === '.css') index = index.replace('STYLE', `page/${name}`)
    else if (output.kind === 'entry-point') index = index.replace('SCRIPT', `page/${name}`)
  }
  return { index, files }
}
