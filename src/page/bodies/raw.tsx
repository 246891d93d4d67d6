import type { CapturedBody } from '../../admin/schema/requests.ts'
import { seconds } from '../format.ts'
import { t } from '../i18n.ts'

/** The first line of a request or a response. */
export function Start({ captured: { method, url, status } }: { captured: CapturedBody }) {
  const line = method ? `${method} ${url ?? ''}` : status === undefined ? '' : `HTTP ${status}`
  return line ? <div class="c">{line}</div> : null
}

/** Chunks of a raw view; the rest is in what is copied. */
const mostChunks = 3_000

/** A body as received, each chunk with its time. */
export function Raw({ captured }: { captured: CapturedBody }) {
  const { headers, chunks } = captured
  return (
    <div class="code">
      <pre>
        <span class="c">
          <Start captured={captured} />
          {headers.map(([header, value]) => `${header}: ${value}\n`)}
          {'\n'}
        </span>
        {chunks.slice(0, mostChunks).map((chunk, n) => (
          <span key={n}>
            {chunks.length > 1 && <span class="c at">{seconds(chunk.at_ms)} </span>}
            {chunk.text}
            {chunks.length > 1 && !chunk.text.endsWith('\n') && '\n'}
          </span>
        ))}
        {chunks.length > mostChunks && <span class="c">{t('moreChunks', chunks.length - mostChunks)}</span>}
      </pre>
    </div>
  )
}
