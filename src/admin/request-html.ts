import type { BodyName, Captured, NamedBody } from '../observe/capture.ts'
import type { RequestDetail } from './schema/requests.ts'

/**
 * One request as a page of its own: no script, nothing loaded, for any browser and for years. The caller takes out the
 * secrets.
 */
export function requestHtml(detail: RequestDetail, captured: Captured | string): string {
  const { id, at, model, asked, status, total_ms } = detail
  const title = `${model ?? asked ?? 'Request'} · ${new Date(at).toISOString().replace('T', ' ').slice(0, 19)} UTC`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${text(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${text(title)}</h1>
<p>${text(id)} · ${text(status === undefined ? 'no status' : `HTTP ${status}`)}${total_ms === undefined ? '' : ` · ${seconds(total_ms)}`} · secrets removed</p>
<h2>Facts</h2>
${table(factsOf(detail))}
<h2>Timing</h2>
${timing(detail)}
<h2>Route</h2>
${table(detail.routing.map(({ from, to, by }) => [`${from} → ${to}`, by]))}
<h2>Bodies</h2>
${bodies(captured)}
</main>
</body>
</html>
`
}

const style = `
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{margin:0;padding:2rem 1rem}
main{max-width:72rem;margin:0 auto}
h1{font-size:1.4rem;margin:0}
h2{font-size:1rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.15rem 1.5rem .15rem 0;text-align:left;vertical-align:top;font-weight:400}
th{opacity:.7}
.bar{display:block;height:.7rem;min-width:1px;background:#157a83}
.bars td:last-child{width:40rem;max-width:50vw}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,monospace;margin:0}
details{border-top:1px solid #8886;padding:.5rem 0}
summary{cursor:pointer}
time{opacity:.6}
`

function factsOf(detail: RequestDetail): [string, string][] {
  const { client, key, session, agent, dialect, route, asked, model, upstream, credential, stop_reason } = detail
  const { error, stream, wait_ms, first_ms, input, cached, output, reasoning, credits, usd, notes, ignored } = detail
  const facts: [string, string | number | undefined][] = [
    ['Client', client && [client.name, client.version].filter((part) => part !== undefined).join(' ')],
    ['Key', key.label],
    ['Session', [session, agent].filter((part) => part !== undefined).join(' / ') || undefined],
    ['API', dialect === undefined ? route : `${dialect} · ${route}${stream ? ' · streamed' : ''}`],
    ['Model', asked === undefined || asked === model ? model : `${asked} → ${model ?? 'none'}`],
    ['Upstream', [upstream, credential].filter((part) => part !== undefined).join(' · ') || undefined],
    ['Ended', stop_reason],
    ['Error', error && `${error.code}: ${error.message}`],
    ['Waited', wait_ms === undefined ? undefined : seconds(wait_ms)],
    ['First token', first_ms === undefined ? undefined : seconds(first_ms)],
    [
      'Input tokens',
      input === undefined ? undefined : `${input}${cached === undefined ? '' : `, of them ${cached} cached`}`,
    ],
    [
      'Output tokens',
      output === undefined
        ? undefined
        : `${output}${reasoning === undefined ? '' : `, of them ${reasoning} reasoning`}`,
    ],
    ['Credits', credits],
    ['US dollars', usd],
    ['Notes', notes.join('; ') || undefined],
    ['Without effect', ignored.join(', ') || undefined],
  ]
  return facts.flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, String(value)]]))
}

function timing({ timeline }: RequestDetail): string {
  const end = Math.max(1, ...timeline.map(({ to_ms }) => to_ms))
  const rows = timeline.map(({ kind, attempt, label, detail, from_ms, to_ms }) => {
    const what = [kind, attempt === undefined ? undefined : `attempt ${attempt}`, label, detail]
    const left = ((from_ms / end) * 100).toFixed(2)
    const width = (((to_ms - from_ms) / end) * 100).toFixed(2)
    return `<tr><th>${text(what.filter((part) => part !== undefined).join(' · '))}</th><td>${milliseconds(to_ms - from_ms)}</td><td><span class="bar" style="margin-left:${left}%;width:${width}%"></span></td></tr>`
  })
  return rows.length === 0 ? '<p>Not remembered.</p>' : `<table class="bars">${rows.join('\n')}</table>`
}

const titles: Record<BodyName, string> = {
  'client-request': 'Client asked',
  'upstream-request': 'We sent',
  'upstream-reply': 'The upstream answered',
  'client-reply': 'Client got',
}

function bodies(captured: Captured | string): string {
  return typeof captured === 'string' ? `<p>${text(captured)}</p>` : captured.bodies.map(body).join('\n')
}

function body({ name: part, attempt, method, url, status, headers, chunks, truncated, bytes }: NamedBody): string {
  const title = `${titles[part]}${attempt === undefined ? '' : `, attempt ${attempt}`} · ${bytes} bytes${truncated ? ', cut' : ''}`
  const first = [method, url, status].filter((part) => part !== undefined).join(' ')
  const head = [first, ...headers.map(([name, value]) => `${name}: ${value}`)].join('\n')
  const chunkLines = chunks
    .map((chunk) => `<time>${milliseconds(chunk.at_ms)}</time> ${text(readable(chunk.text))}`)
    .join('\n')
  return `<details><summary>${text(title)}</summary><pre>${text(head)}\n\n${chunkLines}</pre></details>`
}

/** JSON in lines; anything else as it is. */
function readable(chunk: string): string {
  try {
    return JSON.stringify(JSON.parse(chunk), null, 2)
  } catch {
    return chunk
  }
}

function table(rows: readonly (readonly [string, string])[]): string {
  return `<table>${rows.map(([name, value]) => `<tr><th>${text(name)}</th><td>${text(value)}</td></tr>`).join('\n')}</table>`
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`
}

function seconds(ms: number): string {
  return ms < 1000 ? milliseconds(ms) : `${(ms / 1000).toPrecision(3)} s`
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function text(value: string): string {
  return value.replace(/[&<>"']/g, (character) => escapes[character] ?? character)
}
