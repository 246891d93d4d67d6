import type { Sentence, Text } from './text.ts'

export const placeTexts = {
  now: ['Now', '当前'],
  requests: ['Requests', '请求'],
  sessions: ['Sessions', '会话'],
  usage: ['Usage', '用量'],
  keys: ['Keys', '密钥'],
  upstreams: ['Upstreams', '上游'],
  try: ['Try', '试用'],
  system: ['System', '系统'],
  more: ['More', '更多'],
  places: ['Places', '导航'],
  skip: ['Skip to content', '跳到正文'],
  lightOrDark: ['Light or dark', '浅色或深色'],
  noPlace: ['There is no such place here', '这里没有这个页面'],
  gateway: ['The gateway', '网关'],
  page: ['This part of the page', '页面的这一部分'],
} as const satisfies Record<string, Text>

export const commonTexts = {
  ready: ['Ready', '就绪'],
  notReady: ['Not ready', '未就绪'],
  copy: ['Copy', '复制'],
  copied: ['Copied', '已复制'],
  notCopied: ['Not copied', '未能复制'],
  close: ['Close', '关闭'],
  cancel: ['Cancel', '取消'],
  tryAgain: ['Try again', '重试'],
  tryNow: ['Try now', '立即重试'],
  stop: ['Stop', '停止'],
  none: ['none', '无'],
  noLimit: ['no limit', '不限'],
  loading: ['Loading', '正在读取'],
  couldNotRead: [(what: string) => `${what} could not be read.`, (what: string) => `${what}无法读取。`],
  unreachable: ['The gateway does not answer. Does it still run?', '网关没有响应。它还在运行吗？'],
  noWordFor: [(age: string) => `No word from the gateway for ${age}.`, (age: string) => `${age}没有网关的消息。`],
  shownIsFrom: [(time: string) => `What you see is from ${time}.`, (time: string) => `看到的是 ${time} 的内容。`],
  tryingAgainIn: [(time: string) => `Trying again in ${time}.`, (time: string) => `${time}后重试。`],
  since: [(time: string) => `Since ${time}`, (time: string) => `${time} 起`],
  model: ['Model', '模型'],
  models: ['Models', '模型'],
  client: ['Client', '客户端'],
  key: ['Key', '密钥'],
  tokens: ['Tokens', 'Token'],
  tools: ['Tools', '工具'],
  result: ['Result', '结果'],
  failed: ['Failed', '失败'],
  done: ['Done', '完成'],
  stopped: ['Stopped', '已停止'],
} as const satisfies Record<string, Text | Sentence>

export const signInTexts = {
  signIn: ['Sign in', '登录'],
  signInWith: [
    'With the operator’s key: ADMIN_TOKEN, or AUTH_TOKEN where that is not set.',
    '用管理密钥登录：ADMIN_TOKEN；未设置时用 AUTH_TOKEN。',
  ],
  operatorKey: ['Key', '密钥'],
  notTheKey: ['That is not the key.', '密钥不对。'],
  triesLeft: [
    (n: number) => `${n} ${n === 1 ? 'try' : 'tries'} left in this minute.`,
    (n: number) => `本分钟还可以试 ${n} 次。`,
  ],
  tooManyTries: [
    (s: number) => `That is not the key, and there were too many tries: for ${s} s only the right one is answered.`,
    (s: number) => `密钥不对，而且尝试次数过多：${s} 秒内只接受正确的密钥。`,
  ],
  signInHelp: [
    'On the machine itself `zai2api config` says where the key was set. A client’s key (z2a_…) does not open this page; it can ask GET /v1/key what is left of its budget.',
    '在本机上运行 `zai2api config` 可以看到密钥在哪里设置。客户端密钥（z2a_…）不能打开此页；它可以用 GET /v1/key 查询剩余预算。',
  ],
} as const satisfies Record<string, Text | Sentence>

export const firstRunTexts = {
  oneThingMissing: ['One thing is missing: a way to Z.AI', '还差一样：通往 Z.AI 的路'],
  nobodyToAsk: [
    (url: string) =>
      `The gateway runs on ${url}. It has nobody to ask yet. Pick one; this page goes on by itself as soon as it works.`,
    (url: string) => `网关正运行在 ${url}，但还没有可用的上游。任选一种，一旦可用，此页会自动继续。`,
  ],
  anApiKey: ['An API key', 'API 密钥'],
  recommended: ['recommended', '推荐'],
  apiKeyFrom: ['From', '来自'],
  apiKeyWorks: [
    'Works for the coding plan and for pay as you go; which one it is, is found out here.',
    '编程套餐与按量付费都可以，是哪一种由网关判断。',
  ],
  forGood: [
    'For good: write ZAI_API_KEY=… into .env beside the program. It is read when you save it.',
    '长期使用：把 ZAI_API_KEY=… 写入程序旁的 .env，保存后即读取。',
  ],
  yourAccount: ['Your account at chat.z.ai', '你的 chat.z.ai 账号'],
  accountHow: [
    'Sign in there once and copy the token. One conversation at a time, no price.',
    '登录一次并复制 token。同时只能一个对话，不收费。',
  ],
  demoModel: ['The demo model', '演示模型'],
  demoHow: [
    'A script inside the program: no network, no account. Every screen here works with it.',
    '程序内置的脚本：无需网络与账号，所有页面都可以用它试。',
  ],
  whatWasTried: ['What was tried', '已尝试'],
} as const satisfies Record<string, Text | Sentence>

export const keyboardTexts = {
  keyboard: ['Keyboard', '键盘'],
  keyFilter: ['Filter', '筛选'],
  keyRows: ['Row by row', '逐行移动'],
  keyOpen: ['Open the request', '打开请求'],
  keyBack: ['Back to the list', '返回列表'],
  keySession: ['Previous and next of the session', '会话中的上一个与下一个'],
  keyBodies: ['The four bodies', '四份正文'],
  keyViews: ['Conversation, tree, raw', '对话、树、原文'],
  keyCompare: ['Compare two bodies', '比较两份正文'],
  keyReplay: ['Replay', '重放'],
  keyPause: ['Pause the list', '暂停列表'],
  keyCopyId: ['Copy the id', '复制 ID'],
  keyThis: ['This list', '此列表'],
} as const satisfies Record<string, Text | Sentence>
