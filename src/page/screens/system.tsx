import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Capture } from '../../admin/schema/capture.ts'
import type { DoctorStep } from '../../admin/schema/doctor.ts'
import type { Licences as Inside } from '../../admin/schema/licences.ts'
import type { Now } from '../../admin/schema/now.ts'
import type { Operator } from '../../admin/schema/sign-in.ts'
import type { System } from '../../admin/schema/system.ts'
import { captureMinutes, setCapture } from '../api/capture.ts'
import { ApiError, call, locked, send } from '../api/client.ts'
import { capture, now } from '../api/live.ts'
import { readEvents } from '../api/read-events.ts'
import { useResource } from '../api/resource.ts'
import { bytes, moment, rough, span } from '../format.ts'
import { gatewayText, sentences, settingText, t } from '../i18n.ts'
import { Button, Segments } from '../parts/controls.tsx'
import { Failed, Note, Placeholder } from '../parts/states.tsx'
import { Dim, type Mark } from '../parts/status.tsx'

/** The settings and the sources of their values. */
export function SystemScreen() {
  const { data, error, slow, reload } = useResource<System>('system', 30_000)
  const system = data.value
  return (
    <main id="main">
      <div class="head">
        <div>
          <h1>{t('system')}</h1>
          {system && (
            <p class="lede">
              {t(
                'runsSince',
                system.version,
                moment(system.started_at, now.value),
                rough(now.value - system.started_at),
              )}
            </p>
          )}
        </div>
        <SignOut />
      </div>
      {error.value ? (
        <Failed what={t('system')} error={error.value} again={reload} />
      ) : !system ? (
        slow.value && <Placeholder />
      ) : (
        <div class="half">
          <section>
            <Doctor />
            <Kept system={system} />
            <Version system={system} />
          </section>
          <section>
            <Configuration config={system.config} />
          </section>
        </div>
      )}
    </main>
  )
}

function SignOut() {
  const { data } = useResource<Operator>('session')
  if (data.value?.how !== 'cookie') return null
  const leave = async () => {
    await send('DELETE', 'session').catch(() => {})
    locked.value = true
  }
  return (
    <div class="end">
      <Button onClick={leave}>{t('signOut')}</Button>
    </div>
  )
}

const stepMarks: Record<DoctorStep['state'], Mark> = { ok: '', warn: 'warn', fail: 'bad', skip: 'off' }

/** Checks everything, one line each, with its remedy. */
function Doctor() {
  const steps = useSignal<readonly DoctorStep[]>([])
  const state = useSignal<'' | 'running' | 'done' | 'stopped'>('')
  const error = useSignal<ApiError | undefined>(undefined)
  const run = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => run.current?.abort(), [])
  const start = async () => {
    const controller = new AbortController()
    run.current = controller
    steps.value = []
    state.value = 'running'
    error.value = undefined
    try {
      const response = await call('POST', 'doctor', undefined, controller.signal)
      await readEvents(response, ({ event, data }) => {
        if (event === 'step') steps.value = [...steps.value, JSON.parse(data)]
      })
      state.value = 'done'
    } catch (thrown) {
      state.value = 'stopped'
      if (!controller.signal.aborted) error.value = thrown instanceof ApiError ? thrown : new ApiError(0, '')
    }
  }
  const last = steps.value.at(-1)
  const failed = steps.value.filter((step) => step.state === 'fail').length
  return (
    <>
      <div class="sec first" id="doctor">
        <h2>{t('doctor')}</h2>
        <span class="end" role="status">
          {state.value === 'running' && t('stepOf', (last?.n ?? 0) + 1, Math.max(last?.of ?? 1, (last?.n ?? 0) + 1))}
          {state.value === 'done' && (failed === 0 ? t('doctorWell', steps.value.length) : t('doctorFailed', failed))}
          {state.value === 'running' ? (
            <Button look="s" onClick={() => run.current?.abort()}>
              {t('stop')}
            </Button>
          ) : (
            <Button look="s" onClick={start}>
              {t(state.value === '' ? 'doctorRun' : 'doctorAgain')}
            </Button>
          )}
        </span>
      </div>
      {state.value === '' && <p class="two">{t('doctorLede')}</p>}
      {error.value && <Note tone="bad" title={gatewayText(error.value.message) || t('unreachable')} />}
      <ol class="line-list checks">
        {steps.value.map((step) => (
          <li key={`${step.n} ${step.name}`}>
            <span class="st">
              <i class={`g ${stepMarks[step.state]}`} />
              {gatewayText(step.name)} <Dim>{gatewayText(step.text)}</Dim>
            </span>
            <Dim>{span(step.ms)}</Dim>
            {step.fix && <span class="l2 two">{gatewayText(step.fix)}</span>}
          </li>
        ))}
      </ol>
    </>
  )
}

const modes = ['off', 'metadata', 'memory', 'disk'] as const

/** What is captured of requests. It is the only setting that can be changed here; all others are in files. */
function Kept({ system }: { system: System }) {
  const { data, reload } = useResource<Now>('now')
  const error = useSignal<ApiError | undefined>(undefined)
  const kept = capture.value ?? data.value?.capture
  const choose = async (mode: Capture['mode']) => {
    error.value = undefined
    try {
      await setCapture(mode, mode === kept?.configured ? undefined : captureMinutes)
    } catch (thrown) {
      error.value = thrown instanceof ApiError ? thrown : new ApiError(0, '')
    }
    reload()
  }
  return (
    <>
      <div class="sec">
        <h2>{t('whatIsKept')}</h2>
      </div>
      <dl class="kv">
        {kept && (
          <>
            <dt>{t('bodies')}</dt>
            <dd>
              <Segments
                label={t('bodies')}
                look="s"
                value={kept.mode}
                choices={modes.map((value) => ({ value, label: value }))}
                onChoose={choose}
              />
            </dd>
            <dt />
            <dd class="two">
              {sentences(
                t(`capture_${kept.mode}`),
                kept.until !== undefined && t('until', moment(kept.until, now.value), kept.configured),
                kept.max_bytes > 0 && t('usedOf', bytes(kept.used_bytes), bytes(kept.max_bytes)),
              )}
            </dd>
          </>
        )}
        <dt>{t('database')}</dt>
        <dd class="m">{system.database ?? t('none')}</dd>
        <dt>{t('folder')}</dt>
        <dd class="m">{system.state_folder ?? t('none')}</dd>
      </dl>
      {error.value && <Note tone="bad" title={gatewayText(error.value.message) || t('unreachable')} />}
    </>
  )
}

function Configuration({ config }: { config: System['config'] }) {
  const all = useSignal(false)
  const set = config.filter(({ source }) => source !== 'default')
  const shown = all.value ? config : set
  return (
    <>
      <div class="sec first">
        <h2>{t('configuration')}</h2>
        <span class="end">
          <button type="button" class="link plain" onClick={() => (all.value = !all.value)}>
            {all.value ? t('showSet', set.length) : t('showAll', config.length)}
          </button>
        </span>
      </div>
      {shown.length === 0 ? (
        <p class="two">{t('nothingSet')}</p>
      ) : (
        <table class="t">
          <thead>
            <tr>
              <th>{t('setting')}</th>
              <th>{t('value')}</th>
              <th>{t('setIn')}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ name, value, source, about }) => (
              <tr key={name} title={settingText(name, about)}>
                <td class="p1 m">{name}</td>
                <td class={value === undefined || value === '' ? 'p3 m grow wrap dim' : 'p3 m grow wrap'}>
                  {value === undefined || value === '' ? t('notSet') : value}
                  {all.value && <small class="about dim">{settingText(name, about)}</small>}
                </td>
                <td class="p2 two">{sourceText(source)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p class="small dim">{t('configurationHow')}</p>
    </>
  )
}

/** `default`, `flag --port`, `environment variable PORT`, `PORT in /srv/.env`. */
function sourceText(source: string): string {
  if (source === 'default') return t('default')
  const [, name, file] = /^(\S+) in (.+)$/.exec(source) ?? []
  return name === undefined || file === undefined ? gatewayText(source) : t('inFile', name, file)
}

function Version({ system }: { system: System }) {
  const { version, build, platform, runtime, pid, memory_bytes } = system
  return (
    <>
      <div class="sec">
        <h2>{t('version')}</h2>
      </div>
      <dl class="kv">
        <dt>{t('running')}</dt>
        <dd>
          {version} {build?.commit && <span class="m">{build.commit}</span>} · {platform} · {runtime}
        </dd>
        <dt>{t('process')}</dt>
        <dd>
          {pid} · {bytes(memory_bytes)}
        </dd>
      </dl>
      <Licences />
    </>
  )
}

/** The texts are long, so that they are fetched only for somebody who opens the list. */
function Licences() {
  const isOpen = useSignal(false)
  const { data, error, reload } = useResource<Inside>(isOpen.value ? 'licences' : undefined)
  return (
    <details class="licences" onToggle={({ currentTarget }) => (isOpen.value = currentTarget.open)}>
      <summary>{t('licences')}</summary>
      {error.value && <Failed what={t('licences')} error={error.value} again={reload} />}
      <ul class="line-list">
        {data.value?.packages.map(({ name, version, licence, text }) => (
          <li key={name + version}>
            <span>
              {name} <Dim>{version}</Dim>
            </span>
            <Dim>{licence}</Dim>
            <details class="l2">
              <summary>{t('text')}</summary>
              <div class="pre">{text}</div>
            </details>
          </li>
        ))}
      </ul>
    </details>
  )
}
