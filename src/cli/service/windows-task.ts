import { win32 } from 'node:path'
import { xml } from './launchd.ts'
import { lastingProgram } from './program-place.ts'
import type { ServiceManager, ServicePlace, ServiceStep } from './service-manager.ts'

const task = 'zai2api'

/**
 * A task that starts when the user logs on: a service of Windows would have to speak its protocol. Written after the Task
 * Scheduler schema 1.2, and not tried on Windows yet.
 */
export function windowsTask(place: ServicePlace): ServiceManager {
  const { configFolder, stateFolder, freshConfig } = place
  const configPath = win32.join(configFolder, 'zai2api.toml')
  const taskPath = win32.join(configFolder, 'zai2api-task.xml')
  const logPath = win32.join(stateFolder, 'zai2api.log')
  // Where install.ps1 puts it.
  const copyPath = win32.join(stateFolder, '..', 'Programs', 'zai2api', 'zai2api.exe')
  const { program, copy } = lastingProgram(place, copyPath)
  const end: ServiceStep = { kind: 'run', command: ['schtasks', '/End', '/TN', task], mayFail: true }
  return {
    title: 'Task Scheduler, for you alone',
    scope: 'user',
    configPath,
    program,
    install: [
      // The file of a program that runs cannot be replaced.
      end,
      ...copy,
      { kind: 'write', path: configPath, mode: 0o600, text: freshConfig, keep: true },
      { kind: 'write', path: taskPath, mode: 0o644, text: taskXml(program, configPath, logPath) },
      { kind: 'run', command: ['schtasks', '/Create', '/F', '/TN', task, '/XML', taskPath] },
      { kind: 'run', command: ['schtasks', '/Run', '/TN', task] },
    ],
    stop: [end, { kind: 'run', command: ['schtasks', '/Delete', '/F', '/TN', task], mayFail: true }],
    uninstall: [{ kind: 'remove', path: taskPath }],
    purge: [
      { kind: 'remove', path: configFolder },
      { kind: 'remove', path: stateFolder },
    ],
    left: [{ what: copyPath, path: copyPath, removal: `del "${copyPath}"` }],
    restart: ['cmd', '/c', `schtasks /End /TN ${task} & schtasks /Run /TN ${task}`],
    status: ['schtasks', '/Query', '/V', '/FO', 'LIST', '/TN', task],
    logs: (follow) => [
      ...['powershell', '-NoProfile', '-Command'],
      `Get-Content -Tail 100 ${follow ? '-Wait ' : ''}-LiteralPath '${logPath.replaceAll("'", "''")}'`,
    ],
  }
}

function taskXml(executable: string, configPath: string, logPath: string): string {
  // Tasks have no log, so that the shell writes one.
  const shellLine = `/d /s /c ""${executable}" serve --config "${configPath}" >> "${logPath}" 2>&1"`
  return `<?xml version="1.0"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>OpenAI, Anthropic and Gemini APIs for Z.AI's GLM models</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Principals><Principal id="user"><LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="user">
    <Exec><Command>cmd.exe</Command><Arguments>${xml(shellLine)}</Arguments></Exec>
  </Actions>
</Task>
`
}
