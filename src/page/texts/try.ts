import type { Sentence, Text, Value } from './text.ts'

export const tryItTexts = {
  conversation: ['Conversation', '对话'],
  tryTitle: ['Ask the model something', '向模型提一个问题'],
  tryNext: [
    'The answer comes as a stream, with its thinking and its tool calls; the same request stands beside it as code. Begin with one of these, or with words of your own.',
    '回答以流的形式出现，包括思考与工具调用；旁边是同一请求的代码。可以从下面任选一句，或自己写。',
  ],
  exampleHello: ['Say hello in three languages.', '用三种语言打招呼。'],
  exampleTime: ['What time is it here? Use the tool.', '我这里现在几点？请用工具。'],
  exampleThink: ['Which is larger, 9.11 or 9.9? Think first.', '9.11 和 9.9 哪个大？先想一想。'],
  you: ['You', '你'],
  thinkingWord: ['Thinking', '思考'],
  tryNeedsKey: [
    'This gateway wants a key for requests: put one of yours into the field “Key”.',
    '此网关的请求需要密钥：请在「密钥」中填入你的一个密钥。',
  ],
  waitingFirst: ['Waiting for the first token', '等待首个 token'],
  firstTokenAfter: [(s: string) => `first token ${s}`, (s: string) => `首个 token ${s}`],
  tokensASecond: [(n: number) => `${n} tok/s`, (n: number) => `${n} token/s`],
  inCachedOut: [
    (i: string, c: string, o: string) => `${i} in, ${c} cached, ${o} out`,
    (i: string, c: string, o: string) => `输入 ${i}，缓存 ${c}，输出 ${o}`,
  ],
  lookInto: ['Look into it', '查看详情'],
  imageTooLarge: [(size: string) => `An image may have up to ${size}.`, (size: string) => `图片最大 ${size}。`],
  doesNotSee: [
    (model: string) => `${model} does not see images: it gets a sentence instead.`,
    (model: string) => `${model} 看不到图片，只会收到一句说明。`,
  ],
  use: [(model: string) => `Use ${model}`, (model: string) => `改用 ${model}`],
  message: ['Message', '消息'],
  writeOrPaste: ['Write, or paste an image', '输入文字，或粘贴图片'],
  addImage: ['Add an image', '添加图片'],
  remove: [(what: Value) => `Remove ${what}`, (what: Value) => `移除 ${what}`],
  startOver: ['Start over', '重新开始'],
  sendIt: ['Send', '发送'],
  modelsChoice: ['as the model likes', '由模型决定'],
  mostTokens: ['Most tokens', '最多 token'],
  toolRunsHere: ['It runs in this page, and its result is sent on.', '在此页中运行，结果会继续发送。'],
  noToolsThere: ['This API knows neither tools nor images.', '此 API 不支持工具与图片。'],
  asCode: ['As code', '代码'],
  ordinaryRequest: [
    'What you send from here is an ordinary request: it stands in the list and costs what it costs.',
    '从这里发出的是普通请求：会列在请求中，照常计费。',
  ],
} as const satisfies Record<string, Text | Sentence>
