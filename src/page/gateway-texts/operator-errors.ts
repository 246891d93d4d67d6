/** What the operator's API answers in English where it refuses something, in Chinese: see `inChinese`. */
export const operatorErrorTexts: readonly (readonly [english: string, chinese: string])[] = [
  // Keys
  ['a key needs a name: who or what uses it', '密钥需要名称：谁或什么在使用它'],
  ['there is a key of this name already', '已有同名的密钥'],
  [
    'this is how the gateway itself names keys and callers; choose another name',
    '网关自己用这样的名称表示密钥和调用者，请换一个',
  ],
  [
    'holds the secret of a key, which everybody who sees the list of keys could then use',
    '其中有一个密钥的机密，凡是能看到密钥列表的人都可以使用它',
  ],
  ['expected {} to {} characters that can be seen', '应为 {} 到 {} 个看得见的字符'],
  ['expected {} to {} names without spaces, or none for no limit', '应为 {} 到 {} 个不含空格的名称，none 表示不限'],
  ['expected some of {}, or openai or anthropic', '应为以下之中的几个：{}，或 openai、anthropic'],
  ['there is no upstream {} here; expected some of {}', '这里没有上游 {}；应为以下之中的几个：{}'],
  ['unknown; a key has {}', '未知；密钥有以下成员：{}'],
  [
    'expected a whole number, 1 or more, as in 60 or 200k, or none for no limit',
    '应为 1 以上的整数，例如 60 或 200k，none 表示不限',
  ],
  [
    'expected a date such as 2027-01-31 or 2027-01-31T18:00Z, a span such as 30d, or never',
    '应为日期（如 2027-01-31 或 2027-01-31T18:00Z）、时长（如 30d）或 never',
  ],
  ['{} is over already', '{} 已经过去'],
  ['expected a list of budgets, or none', '应为预算的列表，或 none'],
  ['expected at most 8 budgets', '最多 8 个预算'],
  ['there are two budgets of {}; one is enough', '有两个 {} 的预算，一个就够'],
  [
    'expected usd:20/month, or an object with unit, limit and window',
    '应为 usd:20/month，或带有 unit、limit、window 的对象',
  ],
  ['expected UNIT:AMOUNT/WINDOW, such as usd:20/month', '应为 单位:数额/周期，例如 usd:20/month'],
  ['expected the unit {}', '单位应为 {}'],
  ['expected an amount above 0 and up to {}', '数额应大于 0，最多 {}'],
  ['expected a whole number of tokens', 'token 数应为整数'],
  ['expected the window {}', '周期应为 {}'],
  ['expected an object such as {"name": "ci"}', '应为对象，例如 {"name": "ci"}'],
  ['expected true or false', '应为 true 或 false'],
  ['{} may mean {} or {}: give the id', '{} 可能指 {} 或 {}：请给出 id'],
  [
    'the price of {} is not known here, so no budget in US dollars can be kept for it. {}. Leave the model out, set its price in [[models]] of zai2api.toml, or choose a budget in tokens',
    '这里不知道 {} 的价格，因此无法为它设置以美元计的预算。{}。可以去掉该模型、在 zai2api.toml 的 [[models]] 中设置它的价格，或改用以 token 计的预算',
  ],
  [
    'the price in credits of {} is not known here, so no budget in credits can be kept for it. {}. Leave the model out, set its price in [[models]] of zai2api.toml, or choose a budget in tokens',
    '这里不知道 {} 的积分价格，因此无法为它设置以积分计的预算。{}。可以去掉该模型、在 zai2api.toml 的 [[models]] 中设置它的价格，或改用以 token 计的预算',
  ],
  ['Known are those of {}.', '已知价格的有 {}。'],
  ['Known are those of {}', '已知价格的有 {}'],
  ['None is known', '没有已知的价格'],
  ['{} and {} others', '{} 和另外 {} 个'],
  [
    '{} is not *, a host such as mcp.example.com or an address such as https://mcp.example.com/mcp',
    '{} 不是 *、主机（如 mcp.example.com）或地址（如 https://mcp.example.com/mcp）',
  ],
  ['There is no key {}.', '没有密钥 {}。'],
  // Other routes
  ['There is no {} here.', '这里没有 {}。'],
  ['There is no session {}, or its requests are deleted.', '没有会话 {}，或其请求已删除。'],
  ['This gateway runs inside another program.', '此网关在另一个程序中运行。'],
  ['expected `next` of another page', '应为另一页的 `next`'],
  ['The body of this request is no JSON object with a model.', '此请求的内容不是带有 model 的 JSON 对象。'],
  ['It answers.', '有应答。'],
  ['It answers, and lists {} models.', '有应答，列出 {} 个模型。'],
  ['{} {} does not exist here; see /docs.', '这里没有 {} {}；见 /docs。'],
  // Who may
  [
    'A page that has signed in must say its Origin when it changes something.',
    '已登录的页面在修改时必须说明其 Origin。',
  ],
  [
    'Only the own page of this gateway may ask this. A proxy in between has to pass the Host header on as it is.',
    '只有此网关自己的页面可以这样请求。中间的代理必须原样传递 Host 请求头。',
  ],
  [
    'This key is wrong, and too many others came from the same address: the next one is looked at in {} s. The right key works at any time.',
    '密钥不对，且同一地址错误过多：{} 秒后才会再检查。正确的密钥随时有效。',
  ],
  [
    'The database of this gateway cannot be reached, so this key cannot be checked now. Try again soon.',
    '网关的数据库无法连接，现在无法检查此密钥。请稍后再试。',
  ],
  [
    'The budget of this key cannot be looked up at this moment, so nothing is spent. Try again soon.',
    '目前无法查询此密钥的预算，因此不会产生花费。请稍后再试。',
  ],
  ['The key is not the one this gateway was given: send the value of {}.', '密钥不是此网关的密钥：请发送 {} 的值。'],
  // Budgets
  [
    'The budget of this key is used up: what is left, {}, does not pay for this prompt and a short answer. {}',
    '此密钥的预算已用尽：剩余的 {} 不够这个提示和一个简短的回答。{}',
  ],
  [
    'Until the model has counted the prompt, {} tokens are set aside for it. {}',
    '在模型数出提示的长度之前，为它预留 {} 个 token。{}',
  ],
  [
    'Until the model has counted the prompt, {} tokens are set aside for it.',
    '在模型数出提示的长度之前，为它预留 {} 个 token。',
  ],
  [
    'Nobody knows beforehand how long a file or video by URL is, or what a web search finds, so {} tokens have to be free, as many as the model can read. {}',
    '按 URL 引用的文件或视频有多长、网络搜索会找到什么，事先无人知道，因此需要有 {} 个 token 的余量，即模型能读的全部。{}',
  ],
  [
    'Nobody knows beforehand how long a file or video by URL is, or what a web search finds, so {} tokens have to be free, as many as the model can read.',
    '按 URL 引用的文件或视频有多长、网络搜索会找到什么，事先无人知道，因此需要有 {} 个 token 的余量，即模型能读的全部。',
  ],
  ['It resets at {}.', '{} 重置。'],
  ['It does not reset by itself: ask whoever runs this gateway.', '它不会自动重置，请联系网关的管理员。'],
  ['The budget of this key is used up: {}. It resets at {}.', '此密钥的预算已用尽：{}。{} 重置。'],
  [
    'The budget of this key is used up: {}. It does not reset by itself: ask whoever runs this gateway.',
    '此密钥的预算已用尽：{}。它不会自动重置，请联系网关的管理员。',
  ],
  [
    'The other requests of this key that are under way have reserved what is left of its budget, {}. What they do not use is free when they are over.{}',
    '此密钥其他进行中的请求预留了剩余的预算 {}；它们结束后，没用完的会释放。{}',
  ],
  // Bodies
  ['The request body is empty; JSON is expected.', '请求内容为空，应为 JSON。'],
  ['The request body is not valid JSON: {}', '请求内容不是有效的 JSON：{}'],
  ['The request body does not fit.', '请求内容不符合要求。'],
  ['The request body cannot be unpacked: it is not {}.', '请求内容无法解压：它不是 {}。'],
  ['The request body did not arrive in time ({} ms a piece).', '请求内容没有及时到达（每段 {} 毫秒）。'],
  [
    'The request body is larger than {} bytes. MAX_BODY_BYTES sets the limit of this gateway.',
    '请求内容超过 {} 字节。MAX_BODY_BYTES 设置此网关的上限。',
  ],
  ['The client left while it was sending its request.', '客户端在发送请求时离开。'],
  [
    'content-encoding: expected gzip, deflate, br, zstd or none',
    'content-encoding：应为 gzip、deflate、br、zstd 或没有',
  ],
  ['Whoever runs this gateway has ended this request.', '网关的管理员结束了此请求。'],
]
