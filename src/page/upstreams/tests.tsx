import { signal } from '@preact/signals'
import type { TestResult, Upstream } from '../../admin/schema/upstreams.ts'
import { ApiError, call } from '../api/client.ts'
import { secondsLong } from '../format.ts'
import { gatewayText, t } from '../i18n.ts'
import { Button } from '../parts/controls.tsx'
import { Dim } from '../parts/status.tsx'

type Outcome = 'busy' | TestResult | ApiError

/** What tests have found, by their path. It outlives the screen. */
const outcomes = signal<ReadonlyMap<string, Outcome>>(new Map())
/** The test of everything, while it runs. */
const round = signal<{ done: number; of: number; name: string; stop: () => void } | undefined>(undefined)

function note(path: string, outcome: Outcome | undefined): void {
  const next = new Map(outcomes.peek())
  if (outcome === undefined) next.delete(path)
  else next.set(path, outcome)
  outcomes.value = next
}

export async function test(path: string, signal?: AbortSignal): Promise<void> {
  if (outcomes.peek().get(path) === 'busy') return
  note(path, 'busy')
  try {
    note(path, await (await call('POST', path, undefined, signal)).json())
  } catch (thrown) {
    if (signal?.aborted) note(path, undefined)
    else note(path, thrown instanceof ApiError ? thrown : new ApiError(0, ''))
  }
}

/** Tests one after the other: each upstream, and each of its credentials where there are several. */
async function testAll(upstreams: readonly Upstream[]): Promise<void> {
  const controller = new AbortController()
  const tests = upstreams.flatMap(({ id, credentials }) => {
    const base = `upstreams/${encodeURIComponent(id)}`
    if (credentials.length < 2) return [{ name: id, path: `${base}/test` }]
    return credentials.map((each) => ({
      name: `${id}, ${each.name}`,
      path: `${base}/credentials/${encodeURIComponent(each.id)}/test`,
    }))
  })
  for (const [done, { name, path }] of tests.entries()) {
    round.value = { done, of: tests.length, name, stop: () => controller.abort() }
    await test(path, controller.signal)
    if (controller.signal.aborted) break
  }
  round.value = undefined
}

export function TestAll({ upstreams }: { upstreams: readonly Upstream[] }) {
  const running = round.value
  return (
    <>
      <span class="small" role="status">
        {running && t('testing', running.done + 1, running.of, running.name)}
      </span>
      {running ? (
        <Button onClick={running.stop}>{t('stop')}</Button>
      ) : (
        <Button onClick={() => void testAll(upstreams)}>{t('testAll')}</Button>
      )}
    </>
  )
}

/** The outcome of the last test. */
export function TestSays({ path }: { path: string }) {
  const said = outcomes.value.get(path)
  return (
    <span class="small" role="status">
      {said === 'busy' ? (
        <Dim>{t('asking')}</Dim>
      ) : said instanceof ApiError ? (
        <span class="bad">{said.message ? gatewayText(said.message) : t('unreachable')}</span>
      ) : said ? (
        <span class={said.ok ? 'acc' : 'bad'}>
          {gatewayText(said.text)} <Dim>{secondsLong(said.ms)}</Dim>
        </span>
      ) : null}
    </span>
  )
}

/** A button that runs a test, and the outcome beside it. */
export function Tester({ path }: { path: string }) {
  return (
    <>
      <TestSays path={path} />
      <Button look="bare s" onClick={() => void test(path)} disabled={outcomes.value.get(path) === 'busy'}>
        {t('test')}
      </Button>
    </>
  )
}
