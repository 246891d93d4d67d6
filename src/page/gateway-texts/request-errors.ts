/**
 * What clients are answered in English where a request fails, in Chinese: see `inChinese`. What an upstream itself has
 * said stays in its own words. Errors about a field of a request are for whoever writes the client, and stay in English.
 */
export const requestErrorTexts: readonly (readonly [english: string, chinese: string])[] = [
  // What may follow another sentence
  ['{} It says: {}', '{}它说：{}'],
  ['{} It resets at {} UTC; until then use another key.', '{}{} UTC 重置；在此之前请使用其他密钥。'],
  // Z.AI's API
  ['There is no API key for Z.AI. Set {}.', '没有 Z.AI 的 API 密钥。请设置 {}。'],
  [
    'Z.AI does not accept the API key. Check that {} is whole and still valid, and that {} names the service it is from.',
    'Z.AI 不接受该 API 密钥。请检查 {} 是否完整且仍有效，以及 {} 是否是它所属的服务。',
  ],
  [
    'The Z.AI account behind this API key is inactive, locked or overdue. Sign in to its console to see why, or use another key ({}).',
    '此 API 密钥的 Z.AI 账号未激活、被锁定或欠费。请登录其控制台查看原因，或使用其他密钥（{}）。',
  ],
  [
    'The Z.AI account behind this API key has neither balance nor a package for this call. If it has, the key belongs to another service: keys of a coding plan need {}=coding (or bigmodel-coding), all others {}=general (or bigmodel).',
    '此 API 密钥的 Z.AI 账号既没有余额，也没有可用于此调用的资源包。如果有，说明密钥属于另一个服务：编程套餐的密钥需要 {}=coding（或 bigmodel-coding），其他密钥需要 {}=general（或 bigmodel）。',
  ],
  ['{} could not answer the call. Try again in a moment.', '{} 未能作答，请稍后再试。'],
  ['{} does not accept this request.', '{} 不接受此请求。'],
  ['{} refuses this request.', '{} 拒绝此请求。'],
  [
    'Z.AI does not know this model at {}. Choose another one; GET /v1/models lists them.',
    'Z.AI 在 {} 没有此模型。请选择其他模型；GET /v1/models 列出全部。',
  ],
  [
    'The plan of this Z.AI account does not include the model. Choose another model, or use another key.',
    '此 Z.AI 账号的套餐不含该模型。请选择其他模型，或使用其他密钥。',
  ],
  [
    'The conversation is longer than the model can take. Shorten or compact it.',
    '对话超出模型能接受的长度。请缩短或压缩对话。',
  ],
  [
    'Z.AI takes the content for unsafe or sensitive and does not answer it. Change the prompt.',
    'Z.AI 认为内容不安全或敏感，不予作答。请修改提示。',
  ],
  [
    'Z.AI allows no more calls of this model at a time with this key. Wait a moment, send fewer at a time, or add keys.',
    'Z.AI 不允许此密钥同时对该模型发出更多调用。请稍候、减少同时发送的请求，或增加密钥。',
  ],
  [
    'The model is overloaded at {}. Wait a minute, or choose another model.',
    '该模型在 {} 负载过高。请等待一分钟，或选择其他模型。',
  ],
  ['The usage limit of this Z.AI account is reached.', '此 Z.AI 账号的用量已达上限。'],
  [
    'The coding plan of this Z.AI account has expired. Renew it, or use another key ({}).',
    '此 Z.AI 账号的编程套餐已到期。请续订，或使用其他密钥（{}）。',
  ],
  [
    'Z.AI says that the use of this plan is not within its fair use policy. Sign in to its console, or use a key with a balance and {}=general.',
    'Z.AI 表示此套餐的使用不符合其公平使用政策。请登录其控制台，或使用有余额的密钥并设置 {}=general。',
  ],
  [
    'A package or quota of this Z.AI account is used up. Add to it in its console, or use another key ({}).',
    '此 Z.AI 账号的资源包或额度已用尽。请在其控制台充值，或使用其他密钥（{}）。',
  ],
  [
    'A limit that the owner of this Z.AI account has set is reached. Ask the owner, or use another key.',
    '已达到此 Z.AI 账号所有者设定的上限。请联系所有者，或使用其他密钥。',
  ],
  [
    'There is no such API at this address. Check {}: it ends in /v4.',
    '此地址没有这样的 API。请检查 {}：它以 /v4 结尾。',
  ],
  ['The request is larger than {} takes. Send smaller or fewer files.', '请求超出 {} 的上限。请发送更小或更少的文件。'],
  [
    'Z.AI answered with something that is not a reply. Try again; if it stays, Z.AI has changed its web chat and zai2api needs an update.',
    'Z.AI 的应答不是回复。请重试；若仍如此，则是 Z.AI 更改了网页聊天，zai2api 需要更新。',
  ],
  ['{} answered with something that is not a reply. {}', '{} 的应答不是回复。{}'],
  ['Check {}, and whether a proxy stands in between.', '请检查 {}，以及中间是否有代理。'],
  ['{} ended its reply without an answer. Try again.', '{} 结束了回复，却没有回答。请重试。'],
  ['{} lost the model in the middle of the answer. Try again.', '{} 在回答中途失去了模型。请重试。'],
  ['{} sent a part of its answer that cannot be read. Try again.', '{} 的回答中有一部分无法读取。请重试。'],
  ['{} takes at most {} tools; this request has {}.', '{} 最多接受 {} 个工具；此请求有 {} 个。'],
  [
    'The model began more than {} tool calls in one reply, so it was stopped. Ask again, or in other words.',
    '模型在一个回复中开始了超过 {} 个工具调用，因此被停止。请重试，或换一种说法。',
  ],
  // chat.z.ai
  [
    "Z.AI's web chat asks this account for a captcha, and zai2api does not solve captchas. Use your own token from chat.z.ai (ZAI_TOKEN), another account, or an official API key.",
    'Z.AI 的网页聊天要求此账号输入验证码，zai2api 不处理验证码。请使用你自己的 chat.z.ai token（ZAI_TOKEN）、其他账号，或官方 API 密钥。',
  ],
  [
    "Z.AI's firewall blocks requests from this network. Use another network, or an official API key with the official API.",
    'Z.AI 的防火墙拦截来自此网络的请求。请换一个网络，或用官方 API 密钥访问官方 API。',
  ],
  [
    'Z.AI rejected the signature of the request. Check that the clock of this machine is right; if it is, Z.AI has changed how requests are signed and zai2api needs an update.',
    'Z.AI 拒绝了请求的签名。请检查本机时钟是否准确；若准确，则是 Z.AI 更改了签名方式，zai2api 需要更新。',
  ],
  [
    'Z.AI takes zai2api for an outdated version of its web page. Try again in a few minutes; if it stays, update zai2api.',
    'Z.AI 认为 zai2api 是旧版网页。请几分钟后重试；若仍如此，请更新 zai2api。',
  ],
  [
    'Z.AI allows no more parallel chats with this model right now. Wait a moment, send fewer requests at a time, or choose another model.',
    'Z.AI 目前不允许与该模型进行更多并行对话。请稍候、减少同时发送的请求，或选择其他模型。',
  ],
  [
    'Z.AI allows no more parallel chats right now. Wait a moment, send fewer requests at a time, or add accounts.',
    'Z.AI 目前不允许更多并行对话。请稍候、减少同时发送的请求，或增加账号。',
  ],
  ['Z.AI does not accept the token of this account. {}', 'Z.AI 不接受此账号的 token。{}'],
  ['Z.AI accepts none of the tokens that this gateway has. {}', 'Z.AI 不接受此网关的任何 token。{}'],
  [
    'The gateway has no account of chat.z.ai: set ZAI_TOKEN to a token from chat.z.ai, or allow guests with ANONYMOUS_MODE=true.',
    '网关没有 chat.z.ai 的账号：把 ZAI_TOKEN 设为 chat.z.ai 的 token，或用 ANONYMOUS_MODE=true 允许访客。',
  ],
  [
    'chat.z.ai does not know this model. Choose another one; GET /v1/models lists them.',
    'chat.z.ai 没有此模型。请选择其他模型；GET /v1/models 列出全部。',
  ],
  [
    'Z.AI does not open this model to this account. Choose another model, or use an account of a higher level (ZAI_TOKEN).',
    'Z.AI 不向此账号开放该模型。请选择其他模型，或使用更高级别的账号（ZAI_TOKEN）。',
  ],
  [
    'Z.AI could not answer and says: {}. Try again, or choose another model.',
    'Z.AI 未能作答，它说：{}。请重试，或选择其他模型。',
  ],
  ['{} is not accepted: copy a fresh one from chat.z.ai.', '{} 不被接受：请从 chat.z.ai 复制一个新的。'],
  // Other servers of OpenAI's API
  ['There is no key for {}. Give it one as keys in [[upstreams]].', '{} 没有密钥。请在 [[upstreams]] 的 keys 中设置。'],
  [
    'Check base of {} in [[upstreams]]: it is an address under which there is /chat/completions, such as http://127.0.0.1:8000/v1.',
    '请检查 [[upstreams]] 中 {} 的 base：该地址之下应有 /chat/completions，例如 http://127.0.0.1:8000/v1。',
  ],
  [
    '{} does not have this model. Choose another one; GET /v1/models lists them.',
    '{} 没有此模型。请选择其他模型；GET /v1/models 列出全部。',
  ],
  [
    '{} does not accept the key. Check keys of {} in [[upstreams]].',
    '{} 不接受该密钥。请检查 [[upstreams]] 中 {} 的 keys。',
  ],
  [
    'The account behind this key has no balance at {}. Add to it, or use another key.',
    '此密钥的账号在 {} 没有余额。请充值，或使用其他密钥。',
  ],
  [
    'There is no /chat/completions at the address of {}. Check base in [[upstreams]]: it ends in /v1, as a rule.',
    '{} 的地址没有 /chat/completions。请检查 [[upstreams]] 的 base：通常以 /v1 结尾。',
  ],
  [
    '{} takes no more calls of this model just now. Wait a moment, or send fewer at a time.',
    '{} 目前不接受该模型的更多调用。请稍候，或减少同时发送的请求。',
  ],
  // The demo
  ['The demo {}, as {} in your message asks it to.', '演示模型按你消息中的 {1} 行事：{0}。'],
  ["refuses the gateway's own credential", '拒绝网关自己的凭证'],
  ['has no quota left', '没有剩余额度'],
  ['is asked too often', '被请求得太频繁'],
  ['is down', '停止服务'],
  ['wants a browser check', '要求浏览器验证'],
  ['finds the conversation too long', '认为对话过长'],
  ['The demo fails here, as [error-mid] in your message asks it to.', '演示模型按你消息中的 [error-mid] 在此处出错。'],
  ['The demo broke off before it said anything, as your message asks.', '演示模型按你消息的要求，在说话之前中断。'],
  ['The demo said nothing for {} s, so the answer was given up.', '演示模型 {} 秒没有说话，因此放弃了这个回答。'],
  ['the demo has vectors of at most {} numbers.', '演示模型的向量最多 {} 个数。'],
  // The connection to an upstream
  ['The upstream', '上游'],
  ['the upstream', '上游'],
  ['{} did not finish its answer within {} s.', '{} 在 {} 秒内没有答完。'],
  ['The connection to {} broke before its answer was complete.', '与 {} 的连接在答完之前断开。'],
  ['The connection to {} broke before the answer was complete.', '与 {} 的连接在答完之前断开。'],
  ['The upstream sent an answer of more than {} MB.', '上游的应答超过 {} MB。'],
  ['{} sent an event of more than {} MB.', '{} 发来的一个事件超过 {} MB。'],
  ['{} did not answer within {} s.', '{} 在 {} 秒内没有应答。'],
  [
    '{} answered with something that is not HTTP as it is spoken here. Check its address, and whatever stands between.',
    '{} 的应答不是这里所用的 HTTP。请检查它的地址，以及中间的设备。',
  ],
  [
    '{} could not be reached ({}). Check the network, the proxy settings and whether it is up.',
    '无法连接 {}（{}）。请检查网络、代理设置，以及它是否在运行。',
  ],
  ['{} sent nothing for {} s, so the answer was given up.', '{} {} 秒没有发来内容，因此放弃了这个回答。'],
  ['{} closed the stream without an answer. Try again.', '{} 没有回答就关闭了流。请重试。'],
  ['The upstream closed the stream before the answer was complete.', '上游在答完之前关闭了流。'],
  // Replies
  ['The client closed the request.', '客户端关闭了请求。'],
  ['The client read nothing for {} s.', '客户端 {} 秒没有读取。'],
  ['The gateway failed while answering; its log has the details.', '网关在作答时出错；详情见其日志。'],
  ['The gateway failed while answering.', '网关在作答时出错。'],
  ['The model called a tool without naming it. Try again.', '模型调用了一个没有名称的工具。请重试。'],
  [
    'The model called the tool {} with arguments that are not a JSON object. Try again.',
    '模型调用工具 {} 时，参数不是 JSON 对象。请重试。',
  ],
  [
    'The model called the tool {} with arguments that could not be read. Try again.',
    '模型调用工具 {} 时，参数无法解读。请重试。',
  ],
  [
    'The model called the tool {} with arguments that do not fit: {}. Try again.',
    '模型调用工具 {} 时，参数不符合要求：{}。请重试。',
  ],
  [
    'The model was told to call {} and answered without a call. Try again, or leave tool_choice at auto.',
    '模型应调用 {}，却没有调用就作答。请重试，或让 tool_choice 保持 auto。',
  ],
  [
    'The model did not answer in the JSON that was asked for, twice: {}. Try again, or simplify the schema.',
    '模型两次都没有按要求的 JSON 作答：{}。请重试，或简化 schema。',
  ],
  ['The answer went on behind {} characters, so it was stopped.', '回答超过 {} 个字符仍未结束，因此被停止。'],
  [
    '{}, so it was stopped. Ask again, or in other words. LOOP_LIMIT sets how much repetition the gateway lets through.',
    '{}，因此被停止。请重试，或换一种说法。LOOP_LIMIT 设置网关允许多少重复。',
  ],
  [
    "This model's maximum context length is {} tokens. However, your messages resulted in {} tokens. Please reduce the length of the messages.",
    '该模型的上下文最多 {} 个 token，而你的消息有 {} 个 token。请缩短消息。',
  ],
  [
    'the sequences have {} characters in all; at most {} are looked for. Send fewer or shorter ones.',
    '停止序列共有 {} 个字符，最多查找 {} 个。请减少或缩短它们。',
  ],
  // Which model, which upstream
  [
    'The model `{}`, which MODEL_MAP makes `{}`, does not exist here. Available: {}; GET /v1/models lists them with their variants.',
    '模型 `{}`（MODEL_MAP 将其映射为 `{}`）在这里不存在。可用：{}；GET /v1/models 列出它们及其变体。',
  ],
  [
    'The model `{}` does not exist here. Available: {}; GET /v1/models lists them with their variants.',
    '模型 `{}` 在这里不存在。可用：{}；GET /v1/models 列出它们及其变体。',
  ],
  ['The model `{}` makes no embeddings here. Available: {}.', '模型 `{}` 在这里不提供 embedding。可用：{}。'],
  [
    "There is nobody here who makes embeddings: Z.AI's web chat does not. Set ZAI_API_KEY for those of the official API, or name a server that makes them in [[upstreams]].",
    '这里没有提供 embedding 的上游：Z.AI 的网页聊天不提供。请设置 ZAI_API_KEY 使用官方 API 的，或在 [[upstreams]] 中写明提供它的服务器。',
  ],
  [
    'None of the upstreams that this key may be used for makes embeddings: {}.',
    '此密钥可用的上游都不提供 embedding：{}。',
  ],
  ['dimensions: {} has vectors of {} numbers.', 'dimensions：{} 的向量有 {} 个数。'],
  [
    'This key may be used for the upstreams {} only, and this gateway has none of them any more. Whoever runs it can change that.',
    '此密钥只能用于上游 {}，而此网关已没有它们。网关的管理员可以更改。',
  ],
  [
    'The operator of this gateway has paused what would serve this. Try again later, or resume it on the page.',
    '网关的管理员已暂停可以处理此请求的上游。请稍后再试，或在页面上恢复。',
  ],
  // Limits of the gateway and of keys
  [
    'Too many requests wait for {} already. Try again in a moment, add keys, or raise QUEUE_LIMIT.',
    '已有太多请求在等待 {}。请稍后再试、增加密钥，或提高 QUEUE_LIMIT。',
  ],
  [
    '{} had no room for this request in time. Send fewer at a time, add keys, or raise QUEUE_MS.',
    '{} 没能及时空出位置。请减少同时发送的请求、增加密钥，或提高 QUEUE_MS。',
  ],
  [
    'This gateway already answers {} requests, as many as MAX_CONCURRENT allows. Try again soon.',
    '此网关正在处理 {} 个请求，已达 MAX_CONCURRENT 的上限。请稍后再试。',
  ],
  [
    'This key already has {} requests under way, as many as it may have at a time (parallel is {}). Try again when one is over.',
    '此密钥已有 {} 个进行中的请求，达到同时进行的上限（parallel 为 {}）。请等其中一个结束后再试。',
  ],
  [
    'This key has used up its {} ({} is {}) of this minute. There are more in {} s.',
    '此密钥本分钟的 {} 已用尽（{} 为 {}）。{} 秒后恢复。',
  ],
  ['requests', '请求'],
  ['tokens', 'token'],
  ['This gateway is shutting down. Try again in a few seconds.', '此网关正在关闭。请几秒后再试。'],
  ['This gateway was shut down before the answer was complete. Ask again.', '此网关在答完之前已关闭。请重新发送。'],
  [
    'This gateway has no file descriptor left. Raise its limit (ulimit -n; LimitNOFILE in systemd), or send fewer requests at a time.',
    '此网关已没有可用的文件描述符。请提高上限（ulimit -n；systemd 中为 LimitNOFILE），或减少同时发送的请求。',
  ],
  [
    'The price of {} is not known here, and this key has a budget in US dollars.{} Whoever runs this gateway can set it in [[models]] of zai2api.toml.',
    '这里不知道 {} 的价格，而此密钥有以美元计的预算。{}网关的管理员可以在 zai2api.toml 的 [[models]] 中设置。',
  ],
  [
    'The price in credits of {} is not known here, and this key has a budget in credits.{} Whoever runs this gateway can set it in [[models]] of zai2api.toml.',
    '这里不知道 {} 的积分价格，而此密钥有以积分计的预算。{}网关的管理员可以在 zai2api.toml 的 [[models]] 中设置。',
  ],
  // What was sent
  ['{} tells the usage in an unknown shape.', '{} 以未知的格式给出用量。'],
  ['{} does not tell the usage of a plan.', '{} 不提供套餐用量。'],
  ['The request body holds {}.', '请求内容中含有 {}。'],
  ['{} {} does not exist here. There is {} and GET /docs.', '这里没有 {} {}，但有 {} 和 GET /docs。'],
  ['Host: expected one host name or IP address, with or without a port.', 'Host：应为一个主机名或 IP 地址，可带端口。'],
  [
    'This path is for WebSockets; send POST for a reply over HTTP.',
    '此路径用于 WebSocket；要经 HTTP 得到回复请用 POST。',
  ],
  [
    'Too much waits on this connection already: {} requests at most, and no more text than in {} of the longest ones.',
    '此连接上等待的内容过多：最多 {} 个请求，文字总量不超过 {} 个最长请求。',
  ],
  [
    '{}: a conversation has at most {} items and {} bytes. Begin another one, or remove items.',
    '{}：一个对话最多 {} 项、{} 字节。请另开一个对话，或删除一些项。',
  ],
  [
    'The texts have {} characters together, and a request for embeddings has at most {}. Send several.',
    '这些文本共有 {} 个字符，而一个 embedding 请求最多 {} 个。请分几次发送。',
  ],
  [
    'The request {} has {} bytes, and one in a batch has at most {}. Send it by itself.',
    '请求 {} 有 {} 字节，而批处理中的请求最多 {} 字节。请单独发送。',
  ],
  ['There is no connection to prove anything about.', '没有可以证明的连接。'],
  // Who may
  ['This gateway needs its key: send it as {}.', '此网关需要密钥：请以 {} 发送。'],
  [
    'This gateway takes no key from an address, which browsers and proxies keep: send it as {}. ALLOW_QUERY_KEY=true allows it.',
    '此网关不接受写在地址里的密钥，因为浏览器和代理会留下地址：请以 {} 发送。ALLOW_QUERY_KEY=true 可允许。',
  ],
  ['This key may not be used for {}, only for {}.', '此密钥不能用于 {}，只能用于 {}。'],
  ['The key that sent this does not exist any more.', '发送此请求的密钥已不存在。'],
  [
    'Without AUTH_TOKEN this gateway answers to this machine only, and this request came through a proxy ({}): set AUTH_TOKEN, and give clients that key.',
    '没有 AUTH_TOKEN 时网关只应答本机，而此请求经过了代理（{}）：请设置 AUTH_TOKEN，并把该密钥给客户端。',
  ],
  [
    'Without AUTH_TOKEN this gateway answers to localhost only. Set AUTH_TOKEN to be reachable by other names.',
    '没有 AUTH_TOKEN 时网关只应答 localhost。设置 AUTH_TOKEN 后可用其他名称访问。',
  ],
  [
    'Without AUTH_TOKEN this gateway answers to this machine only, and a Host without the port comes from a proxy: set AUTH_TOKEN, and give clients that key; a program of this machine sends the port, too.',
    '没有 AUTH_TOKEN 时网关只应答本机，而没有端口的 Host 来自代理：请设置 AUTH_TOKEN，并把该密钥给客户端；本机的程序请把端口也写上。',
  ],
  [
    'Without AUTH_TOKEN this gateway refuses web pages of other origins. Set AUTH_TOKEN, or name the origin in CORS_ORIGINS.',
    '没有 AUTH_TOKEN 时网关拒绝其他来源的网页。请设置 AUTH_TOKEN，或在 CORS_ORIGINS 中列出该来源。',
  ],
  [
    "This gateway does not write the response '{}': it was restarted meanwhile, or another gateway writes it. Cancel it there; gateways with STORE=database on one PostgreSQL do that for each other.",
    '响应“{}”不是由此网关写的：它期间重启过，或由另一个网关在写。请在那里取消；在同一个 PostgreSQL 上设 STORE=database 的网关会互相转达。',
  ],
  // Files and MCP servers
  [
    'An image in the messages is too large: at most {} MiB, {} pixels a side and {} million pixels.',
    '消息中的图片过大：最多 {} MiB、每边 {} 像素、共 {} 百万像素。',
  ],
  ['The tools of the MCP server `{}` could not be listed: {}', '无法列出 MCP 服务器 `{}` 的工具：{}'],
  ['it did not answer within {} s ({}).', '它在 {} 秒内没有应答（{}）。'],
  ['it lists more than {} tools, or more than {} pages.', '它列出的工具超过 {} 个，或超过 {} 页。'],
  ['its answer is not a message of MCP.', '它的应答不是 MCP 消息。'],
  ['the connection to it failed.', '无法与它建立连接。'],
  ['it closed the connection.', '它关闭了连接。'],
]
