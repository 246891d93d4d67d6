import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type ServiceOptions, serviceOptions } from '../../../src/cli/service-options.ts'
import { home, makeHome, removeHome, run, type World, windowsEnv } from './installing.ts'

beforeEach(makeHome)
afterEach(removeHome)

describe('the other actions', () => {
  test('uninstall says what stays and what removes it, and minds no service that is gone', async () => {
    const download = join(home, 'Downloads/zai2api')
    await Bun.write(download, 'program')
    await run({}, { executable: download })
    const [settings, state] = [join(home, '.config/zai2api'), join(home, '.local/state/zai2api')]
    await Bun.write(join(state, 'zai2api.sqlite'), '')
    const unit = join(home, '.config/systemd/user/zai2api.service')
    const copy = join(home, '.local/bin/zai2api')
    const codes = { 'systemctl --user disable': 1 }
    expect(existsSync(unit)).toBe(true)
    const running = { ...codes, 'systemctl --user is-active': 0 }
    expect(await run({ action: 'uninstall', purge: true }, { codes: running })).toMatchObject({
      ...{ code: 1, stdout: '' },
      stderr: expect.stringMatching(/the service still runs, and nothing was removed\n$/),
    })
    expect([existsSync(unit), existsSync(settings), existsSync(state)]).toEqual([true, true, true])
    expect(await run({ action: 'uninstall' }, { codes })).toMatchObject({
      ...{ code: 0, stderr: '' },
      stdout: `The service is removed.\nWhat stays, and what removes it:\n  ${settings}, ${state}: zai2api service uninstall --purge\n  ${copy}: rm ${copy}\n`,
    })
    expect([existsSync(unit), existsSync(settings), existsSync(state)]).toEqual([false, true, true])
    expect(await run({ action: 'uninstall', purge: true }, { codes })).toMatchObject({
      ...{ code: 0, stderr: '' },
      stdout: `There was no service.\nWhat stays, and what removes it:\n  ${copy}: rm ${copy}\n`,
    })
    rmSync(copy)
    expect(await run({ action: 'uninstall' })).toMatchObject({ code: 0, stdout: 'There was no service.\n' })
    expect([existsSync(settings), existsSync(state)]).toEqual([false, false])
  })

  test.each<[string, Partial<ServiceOptions>, World]>([
    ['its data would be deleted', { purge: true }, {}],
    ['it cannot be stopped without the service manager', {}, { missing: ['systemctl'] }],
  ])('uninstall removes nothing while a gateway of these data answers, where %s', async (_name, options, world) => {
    await run({})
    const result = await run({ action: 'uninstall', ...options }, { ...world, proves: true })
    expect([result.code, result.stdout]).toEqual([1, ''])
    expect(result.stderr).toEndWith(
      'zai2api: a gateway with these data still answers at http://127.0.0.1:8080; stop it first, nothing was removed\n',
    )
    expect(existsSync(join(home, '.config/systemd/user/zai2api.service'))).toBe(true)
    expect(existsSync(join(home, '.config/zai2api'))).toBe(true)
  })

  test('uninstall minds no mistake in the settings', async () => {
    await run({})
    await Bun.write(join(home, '.config/zai2api/zai2api.toml'), 'listen_prot = 9000\n')
    expect(await run({ action: 'uninstall', purge: true })).toMatchObject({ code: 0, stderr: '' })
  })

  test('uninstall says where data is that a link led to', async () => {
    await run({})
    const [disk, state] = [join(home, 'disk'), join(home, '.local/state/zai2api')]
    await Bun.write(join(disk, 'zai2api.sqlite'), '')
    mkdirSync(join(state, '..'), { recursive: true })
    symlinkSync(disk, state)
    expect(await run({ action: 'uninstall', purge: true })).toMatchObject({
      code: 0,
      stdout: `The service is removed.\nWhat stays, and what removes it:\n  ${disk}, to which ${state} led: rm -r ${disk}\n`,
    })
    expect([existsSync(state), existsSync(join(disk, 'zai2api.sqlite'))]).toEqual([false, true])
  })

  test('names the user of the service for removal only once nothing of it is left', async () => {
    const world = { uid: 0, root: home }
    expect((await run({}, world)).code).toBe(0)
    const kept = await run({ action: 'uninstall' }, world)
    expect(kept.stdout).toContain(`, ${home}/usr/lib/sysusers.d/zai2api.conf: zai2api service uninstall --purge\n`)
    expect(kept.stdout).not.toContain('userdel')
    expect((await run({ action: 'uninstall', purge: true }, world)).stdout).toContain('userdel zai2api')
  })

  test.each<[string, World]>([
    ['does not run', { codes: { systemctl: 1 } }],
    ['is not there', { missing: ['systemctl'] }],
  ])('uninstall removes the files where systemd %s', async (_name, world) => {
    await run({})
    const unit = join(home, '.config/systemd/user/zai2api.service')
    expect(existsSync(unit)).toBe(true)
    const { code, stdout, stderr } = await run({ action: 'uninstall', purge: true }, world)
    expect([code, stdout]).toEqual([0, 'The service is removed.\n'])
    expect(stderr).toEndWith(
      'zai2api: the service manager of this machine does not run, or cannot be reached by you: a service that runs is not stopped, files alone are removed\n',
    )
    expect([existsSync(unit), existsSync(join(home, '.config/zai2api'))]).toEqual([false, false])
  })

  test.each(['status', 'logs', 'restart'] as const)('%s names a program that is not there', async (action) => {
    await run({})
    const missing = ['systemctl', 'journalctl']
    const { code, stderr } = await run({ action }, { missing })
    expect(code).toBe(127)
    expect(stderr).toMatch(/^zai2api: there is no (?:systemctl|journalctl) on this machine\n$/)
  })

  test('a file that cannot be written is named', async () => {
    await Bun.write(join(home, '.config'), 'a file, and no folder')
    const { code, stderr } = await run({})
    expect(code).toBe(1)
    expect(stderr).toContain(join(home, '.config'))
    expect(stderr).toContain('zai2api: this failed: write ')
  })

  test('status says that there is no service, and how to make one, and calls no service manager', async () => {
    expect(await run({ action: 'status' })).toEqual({
      ...{ code: 4, ran: [], stderr: '' },
      stdout:
        'There is no service (systemd, for you alone); zai2api service install makes one.\nA gateway answers at http://127.0.0.1:8080, and a request could succeed now.\n',
    })
  })

  test('status shows what the service manager says, and whether the gateway answers', async () => {
    await run({})
    expect(await run({ action: 'status' })).toMatchObject({
      ran: ['systemctl --user status --no-pager zai2api.service'],
      stdout: '\nA gateway answers at http://127.0.0.1:8080, and a request could succeed now.\n',
    })
    const silent = await run({ action: 'status' }, { answers: false, codes: { systemctl: 3 } })
    expect(silent).toMatchObject({ code: 3, stdout: '\nNothing answers at http://127.0.0.1:8080.\n' })
  })

  test.each<[Partial<ServiceOptions>, string]>([
    [{ action: 'restart' }, 'systemctl --user restart zai2api.service'],
    [{ action: 'logs' }, 'journalctl --user --unit zai2api.service --lines 100'],
    [{ action: 'logs', follow: true }, 'journalctl --user --unit zai2api.service --lines 100 --follow'],
  ])('%j', async (options, command) => expect((await run(options)).ran).toEqual([command]))

  test('on Windows every program is named by its path, since the shell looks in the working directory first', async () => {
    const world: World = { platform: 'win32', env: windowsEnv('C:\\Users\\ann') }
    for (const action of ['restart', 'logs'] as const)
      for (const command of (await run({ action }, world)).ran.flatMap((line) => line.split(' & ')))
        expect(command).toMatch(/^C:\\Windows\\System32\\\S+\.exe (?:\/d \/c C:\\Windows\\System32\\schtasks\.exe)?/)
  })

  test.each<[string[], string]>([
    [[], 'needs to be told what to do: install, status, logs, restart, uninstall'],
    [['instal'], 'did you mean install?'],
    [['install', 'now'], 'unexpected argument now'],
  ])('zai2api service %j', (words, message) => expect(() => serviceOptions(words, new Map())).toThrow(message))
})
