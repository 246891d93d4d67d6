import type { Sentence, Text } from './text.ts'

export const systemTexts = {
  runsSince: [
    (version: string, at: string, time: string) => `Version ${version}, runs since ${at}, for ${time}.`,
    (version: string, at: string, time: string) => `版本 ${version}，自 ${at} 运行，已 ${time}。`,
  ],
  signOut: ['Sign out', '退出登录'],
  doctor: ['Doctor', '诊断'],
  doctorRun: ['Check everything', '全面检查'],
  doctorAgain: ['Check again', '再次检查'],
  doctorLede: [
    'Looks at the configuration, the network, each credential and each API, and says how to mend what is wrong. It asks the upstreams for a few tokens.',
    '检查配置、网络、每个凭证与每种 API，并说明如何修复。会向上游请求少量 token。',
  ],
  stepOf: [(n: number, of: number) => `Step ${n} of ${of}`, (n: number, of: number) => `第 ${n} 步，共 ${of} 步`],
  doctorWell: [(n: number) => `${n} checks, nothing failed`, (n: number) => `${n} 项检查，没有失败`],
  doctorFailed: [(n: number) => `${n} failed`, (n: number) => `${n} 项失败`],
  bodies: ['Bodies', '请求与回复'],
  capture_off: ['Nothing is kept of requests.', '不保留请求的任何内容。'],
  capture_metadata: ['Numbers and names of requests are kept, no bodies.', '只保留请求的数字与名称，不保留内容。'],
  capture_memory: [
    'The last bodies are kept in memory. Secrets are removed before anything is kept.',
    '最近的内容保留在内存中。保留之前先移除机密。',
  ],
  capture_disk: [
    'Bodies are kept in the database. Secrets are removed before anything is kept.',
    '内容保留在数据库中。保留之前先移除机密。',
  ],
  until: [
    (at: string, then: string) => `Until ${at}, then ${then}.`,
    (at: string, then: string) => `到 ${at}，之后为 ${then}。`,
  ],
  usedOf: [(n: string, of: string) => `${n} of ${of} used.`, (n: string, of: string) => `已用 ${n}，共 ${of}。`],
  database: ['Database', '数据库'],
  folder: ['Folder', '文件夹'],
  configuration: ['Configuration', '配置'],
  showSet: [(n: number) => `Show what is set (${n})`, (n: number) => `只显示已设置的（${n}）`],
  nothingSet: ['Everything is as it comes.', '全部为默认值。'],
  setting: ['Setting', '设置'],
  value: ['Value', '值'],
  notSet: ['not set', '未设置'],
  default: ['default', '默认'],
  inFile: [
    (name: string, file: string) => `${name} in ${file}`,
    (name: string, file: string) => `${file} 中的 ${name}`,
  ],
  configurationHow: [
    'It changes in the file or the environment; the file is read again when it is saved.',
    '在文件或环境变量中修改；文件保存后会重新读取。',
  ],
  version: ['Version', '版本'],
  running: ['Running', '正在运行'],
  process: ['Process', '进程'],
  licences: ['Licences of the packages inside', '所含软件包的许可证'],
  text: ['Text', '全文'],
} as const satisfies Record<string, Text | Sentence>
