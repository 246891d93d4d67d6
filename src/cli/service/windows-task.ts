import { win32 } from 'node:path'
import { UsageError } from '../../config/usage-error.ts'
import { productSummary } from '../../core/product-summary.ts'
import { xml } from './launchd.ts'
import { lastingProgram } from './program-place.ts'
import type { ServiceManager, ServicePlace, ServiceStep } from './service-manager.ts'

const task = 'zai2api'

/**
 * A task that starts when the user logs on: a service of Windows would have to speak its protocol. Written after the Task
 * Scheduler schema 1.2, and not tried on Windows yet.
 */
export function windowsTask(place: ServicePlace): ServiceManager {
  const { configFolder, stateFolder, freshConfig, account, windowsFolder } = place
  // By their paths: a folder of PATH may hold programs of the same name.
  const system = win32.join(windowsFolder, 'System32')
  const schtasks = win32.join(system, 'schtasks.exe')
  const shell = win32.join(system, 'cmd.exe')
  const configPath = win32.join(configFolder, 'zai2api.toml')
  const taskPath = win32.join(configFolder, 'zai2api-task.xml')
  const logPath = win32.join(stateFolder, 'zai2api.log')
  // Where install.ps1 puts it.
  const copyPath = win32.join(stateFolder, '..', 'Programs', 'zai2api', 'zai2api.exe')
  const { program, copy } = lastingProgram(place, copyPath)
  refusePercent([program, configPath, logPath])
  const end: ServiceStep = { kind: 'run', command: [schtasks, '/End', '/TN', task], mayFail: true }
  return {
    title: 'Task Scheduler, for you alone',
    scope: 'user',
    configPath,
    program,
    isCopied: copy.length > 0,
    stateFolder,
    install: [
      // The file of a program that runs cannot be replaced.
      end,
      ...copy,
      { kind: 'write', path: configPath, mode: 0o600, text: freshConfig, keep: true },
      // Of the log: the shell that cannot open it does not start the program.
      { kind: 'folder', path: stateFolder, mode: 0o700 },
      {
        ...{ kind: 'write', path: taskPath, mode: 0o644, encoding: 'UTF-16' },
        text: taskXml({ shell, account, executable: program, configPath, logPath }),
      },
      { kind: 'run', command: [schtasks, '/Create', '/F', '/TN', task, '/XML', taskPath] },
      { kind: 'run', command: [schtasks, '/Run', '/TN', task] },
    ],
    stop: [
      end,
      { kind: 'run', command: [schtasks, '/Delete', '/F', '/TN', task], mayFail: true },
      { kind: 'wait until it is gone', command: [schtasks, '/Query', '/TN', task], seconds: 0 },
    ],
    uninstall: [{ kind: 'remove', path: taskPath }],
    purge: [
      { kind: 'remove', path: configFolder },
      { kind: 'remove', path: stateFolder },
    ],
    left: [{ what: copyPath, path: copyPath, removal: `del "${copyPath}"` }],
    restart: [shell, '/d', '/c', `${schtasks} /End /TN ${task} & ${schtasks} /Run /TN ${task}`],
    status: [schtasks, '/Query', '/V', '/FO', 'LIST', '/TN', task],
    logs: (follow) => [
      ...[win32.join(system, 'WindowsPowerShell', 'v1.0', 'powershell.exe'), '-NoProfile', '-Command'],
      `Get-Content -Tail 100 ${follow ? '-Wait ' : ''}-LiteralPath '${logPath.replaceAll("'", "''")}'`,
    ],
  }
}

/** Errors: UsageError for a path in which cmd.exe would put the value of a variable: quotes do not prevent that. */
function refusePercent(paths: readonly string[]): void {
  const path = paths.find((each) => each.includes('%'))
  if (path !== undefined) throw new UsageError(`${path} has a % in its name, which the shell of the task would expand`)
}

interface TaskFacts {
  shell: string
  account: string
  executable: string
  configPath: string
  logPath: string
}

/** The schema has encoding and file agree, and `schtasks` reads UTF-16 alone where a name is not ASCII. */
function taskXml({ shell, account, executable, configPath, logPath }: TaskFacts): string {
  // Tasks have no log, so that the shell writes one.
  const shellLine = `/d /s /c ""${executable}" serve --config "${configPath}" >> "${logPath}" 2>&1"`
  return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>${xml(productSummary)}</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled><UserId>${xml(account)}</UserId></LogonTrigger></Triggers>
  <Principals><Principal id="user"><UserId>${xml(account)}</UserId><LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="user">
    <Exec><Command>${xml(shell)}</Command><Arguments>${xml(shellLine)}</Arguments></Exec>
  </Actions>
</Task>
`
}
