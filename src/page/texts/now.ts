import type { Sentence, Text } from './text.ts'

export const nowTexts = {
  credentialsReady: [
    (n: number, of: number) => `${n} of ${of} ${of === 1 ? 'credential' : 'credentials'} can take a request.`,
    (n: number, of: number) => `${of} 个凭证中有 ${n} 个可用。`,
  ],
  underWayCount: [
    (n: number, waiting: number) =>
      n === 0
        ? 'Nothing is under way.'
        : `${n} ${n === 1 ? 'request is' : 'requests are'} under way${waiting > 0 ? `, ${waiting} of them waiting` : ''}.`,
    (n: number, waiting: number) =>
      n === 0 ? '没有进行中的请求。' : `${n} 个请求进行中${waiting > 0 ? `，其中 ${waiting} 个在排队` : ''}。`,
  ],
  baseUrl: ['Base URL', 'Base URL'],
  setUpClient: ['Set up a client', '接入客户端'],
  perMinute: ['Requests a minute', '每分钟请求'],
  firstTokenMedian: ['First token, median', '首个 token，中位数'],
  fromCache: ['Served from cache', '缓存命中'],
  ofInput: [(n: string) => `of ${n} tokens in`, (n: string) => `占输入 ${n}`],
  errorsHour: ['Errors, last hour', '近一小时错误'],
  percentOf: [(p: string, all: string) => `${p} % of ${all}`, (p: string, all: string) => `${all} 个中的 ${p} %`],
  creditsHour: ['Credits, last hour', '近一小时积分'],
  moneyHour: ['Money, last hour', '近一小时花费'],
  outputHour: ['Tokens out, last hour', '近一小时输出 token'],
  underWay: ['Under way', '进行中'],
  allRequests: ['All requests', '全部请求'],
  nothingUnderWay: ['Nothing is under way', '没有进行中的请求'],
  nothingUnderWayNext: ['A request appears here as soon as a client sends one.', '客户端一发出请求，就会显示在这里。'],
  sendOne: ['Send one from here', '从这里发一个'],
  phase: ['Phase', '阶段'],
  age: ['Age', '已用时'],
  tokensPerSecond: ['Tok/s', 'Token/s'],
  reading: ['Reading', '读取中'],
  waiting: ['Waiting', '排队'],
  waitingPlace: [(n: number, of: number) => `Waiting, place ${n} of ${of}`, (n: number) => `排队，第 ${n} 位`],
  thinking: ['Thinking', '思考中'],
  writing: ['Writing', '输出中'],
  calling: [(tool: string) => `Calling ${tool}`, (tool: string) => `调用 ${tool}`],
  toolCall: ['Tool call', '工具调用'],
  wentWrong: ['Went wrong in the last hour', '近一小时的问题'],
  what: ['What', '问题'],
  times: ['Times', '次数'],
  whatToDo: ['What to do', '怎么办'],
  last: ['Last', '最近'],
  credits: ['Credits', '积分'],
  plan: [(name: string) => `${name} plan`, (name: string) => `${name} 套餐`],
  window: [
    (n: number, unit: 'hour' | 'week' | 'month') =>
      n === 1 ? { hour: 'Hour', week: 'Week', month: 'Month' }[unit] : `${n} ${unit}s`,
    (n: number, unit: 'hour' | 'week' | 'month') =>
      n === 1
        ? { hour: '每小时', week: '本周', month: '本月' }[unit]
        : `${n} ${{ hour: '小时', week: '周', month: '个月' }[unit]}`,
  ],
  ofLeft: [(all: string) => `of ${all} left`, (all: string) => `/ ${all} 剩余`],
  percentUsed: [(p: number) => `${p} % used`, (p: number) => `已用 ${p} %`],
  resetsIn: [
    (at: string, time: string) => `resets ${at}, in ${time}`,
    (at: string, time: string) => `${at} 重置，还有 ${time}`,
  ],
  peakUntil: [(at: string) => `Peak price until ${at}.`, (at: string) => `高峰价，到 ${at}。`],
  offPeakUntil: [(at: string) => `Off-peak price until ${at}.`, (at: string) => `平价，到 ${at}。`],
  offPeak: ['Off-peak price.', '平价。'],
  busy: [(n: number) => `${n} busy`, (n: number) => `${n} 忙`],
  busyOf: [(n: number, of: number) => `${n} of ${of} busy`, (n: number, of: number) => `${n} / ${of} 忙`],
  details: ['Details', '详情'],
  connect: ['Connect a client', '接入客户端'],
  anyKey: ['Any key of yours works as the API key.', '你的任意密钥都可作为 API Key。'],
  anyText: ['Any text works as the API key.', '任意文本都可作为 API Key。'],
  oneCommand: ['One command; your own configuration stays as it is', '一条命令即可，你自己的配置保持不变'],
  orByHand: ['Or by hand', '或手动设置'],
  otherClients: ['Others', '其他'],
  byHand: ['Put this into your shell or your program', '写入你的 shell 或程序'],
} as const satisfies Record<string, Text | Sentence>
