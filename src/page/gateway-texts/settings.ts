/**
 * What each setting is for, in Chinese, by its variable; the English is in the table of settings. The page and
 * docs/zh-CN/configuration.md have it from here.
 */
export const settingTexts: Readonly<Record<string, string>> = {
  HOST: '监听的地址；回环以外的地址需要 AUTH_TOKEN。',
  LISTEN_PORT: '监听的端口；0 表示任意空闲端口。',
  REUSE_PORT: '让本机的多个网关监听同一端口，由系统分配请求。仅限 Linux。',
  CORS_ORIGINS: '可以从浏览器调用的网页来源；* 表示全部。',
  ALLOW_QUERY_KEY: '接受写在地址里的密钥（Gemini 的 ?key=），浏览器和代理会留下这些地址。',
  MAX_BODY_BYTES: '请求内容的最大字节数。',
  MAX_MESSAGES: '一个请求最多的消息数。',
  MAX_CONCURRENT: '同时应答的请求数；超过的以 503 拒绝，直到有请求结束。',
  RATE_LIMIT_RPM: '每个密钥每分钟的请求数；0 表示不限。',
  RATE_LIMIT_TPM: '每个密钥每分钟的 token 数，提示与回答合计；0 表示不限。',
  BODY_TIMEOUT_MS: '等待请求内容下一段的最长时间。',
  STALL_MS: '客户端不读取回答的最长时间，超过则断开。',
  KEEPALIVE_MS: '对客户端保持沉默的最长时间，超过则发送 keep-alive。',
  KEEPALIVE_STYLE:
    'OpenAI API 上 keep-alive 的形式：comment 是客户端会跳过的一行；chunk 是 Chat 与 Completions 中的空 delta，供只计事件的客户端使用。',
  SHUTDOWN_MS: 'SIGTERM 之后，进行中的回答可以用来结束的时间。',
  DATABASE_URL:
    '保存密钥、用量和请求列表（不含内容）的数据库：memory（随进程消失）、sqlite:PATH 或 postgres://user:password@host/name；默认是状态文件夹里的 zai2api.sqlite。',
  BUDGET_STRICT: 'PostgreSQL 不可用时，拒绝有预算的密钥（true），或按最后已知的余额放行、之后补记（false）。',
  AUTH_TOKEN: '客户端必须发送的密钥；不设置则只服务本机。',
  ANTHROPIC_API_KEY: 'Anthropic 端点的密钥，如果它不是 AUTH_TOKEN。',
  ADMIN_TOKEN: '管理员的密钥，用于页面、/admin/api 和 /metrics；未设置时用 AUTH_TOKEN，两者都没有时只允许本机的页面。',
  ZAI_API_KEY: '官方 API 的密钥，以逗号分隔；有密钥时上游是 zai-api，除非 UPSTREAMS 另有说明。',
  ZAI_TOKEN: '你自己的 chat.z.ai 账号的 token，以逗号分隔。',
  BACKUP_TOKEN: '得不到其他账号时使用的 token。',
  ANONYMOUS_MODE: '没有可用的自有 token 时使用访客账号。',
  PRIMARY_MODEL:
    '其他厂商的名称（如 claude-… 和 gpt-…）以及 agent 所用的模型；UPSTREAMS 的第一个是 zai-api 时，默认是密钥可用的最新模型。',
  SMALL_MODEL:
    '小模型名称（如 claude-haiku-… 和 gpt-…-mini）以及 agent 的杂务所用的模型；zai-api 排第一时，用密钥可用的一个。',
  THINKING_MODEL: '让主模型思考的名称。',
  SEARCH_MODEL: '让主模型搜索网页的名称。',
  MODEL_MAP: '为你自选的名称指定模型，第一个匹配的生效，例如 gpt-4o=GLM-4.5,claude-opus-*=GLM-4.7。',
  ZAI_MODELS: '关于模型的已知信息，优先于内置表：TOML 文件中的 [[models]]，或同样内容的 JSON。',
  THINKING_PROCESSING:
    '思考放在哪里：think 放在单独的字段，tags 以 <thinking> 放在正文中，strip 去掉，raw 用网站原来的标记。',
  REASONING_FIELD:
    'Chat Completions 中放思考的字段：reasoning_content 与 DeepSeek、Z.AI 相同，reasoning 与 OpenRouter 相同，或 both。',
  TOOL_SUPPORT: '让模型调用客户端的工具。',
  WEB_SEARCH:
    '客户端要求时 Z.AI 何时搜索网页：auto 在有客户端工具时不搜索，on 总是搜索（zai-web 在有工具时除外），off 从不搜索。',
  MCP_SERVERS:
    '客户端可以让网关调用其工具的 MCP 服务器：主机名、地址，或 * 表示任何公网 https 地址。不设置则一个也没有。',
  MCP_MAX_ROUNDS: '一次回复最多调用 MCP 服务器的工具并带着结果继续的次数。',
  MCP_CALL_MS: '等待 MCP 服务器一次应答的最长时间。',
  MCP_TOTAL_MS: '一次回复中等待 MCP 服务器的总时间上限。',
  MCP_MAX_TOOLS: '一个请求最多提供给模型的 MCP 工具数。',
  MCP_MAX_RESULT: '一次 MCP 工具结果最多传递的字符数；其余截去。',
  SCAN_LIMIT: '在一次回答中查找工具调用的字符数。',
  LOOP_LIMIT: '同一段文字不断重复的字符数，达到后回答以错误结束；0 表示从不。',
  STORE:
    '为 previous_response_id 保存 /v1/responses 回复的地方：memory（随进程消失）、off、database（DATABASE_URL 的数据库）或一个 SQLite 文件；后两者会保存对话。/v1/messages/batches 的批次保存在数据库中，否则在内存里。',
  UPSTREAMS:
    '回答从哪里来，按此顺序：zai-web 是 chat.z.ai，zai-api 是官方 API，demo 是不用网络的脚本模型，TOML 文件中的 [[upstreams]] 是你自己的服务器。一个无法作答时，由下一个有该模型的来回答。',
  API_ENDPOINT: 'chat.z.ai 的补全端点；其他调用都发往同一来源。',
  ZAI_API_BASE: 'ZAI_API_KEY 所属的官方 API 服务：coding 是编程套餐，bigmodel 是中国大陆的服务。',
  QUEUE_LIMIT: '一个上游可以排队等待空闲密钥或账号的请求数；再多一个就拒绝，除非它的密钥占用的还不到平均份额。',
  QUEUE_MS: '请求等待空闲密钥或账号的最长时间，包括限速之后的重试。',
  UPSTREAM_HEADERS_MS: '等待上游开始回复的最长时间。',
  UPSTREAM_IDLE_MS: '回复中途沉默的最长时间，超过则放弃。',
  MAX_IMAGE_BYTES: '上传图片的最大字节数。',
  ZAI_GUEST_TTL_MS: '访客账号到此年龄即更换。',
  ZAI_CREATE_CHAT: '每次补全之前先在网站上创建一个对话，和网站自己的页面一样。',
  ZAI_MESSAGES_MODE: '对话怎样发送：flatten 合成一条用户消息，roles 每轮一条消息。',
  ZAI_SIGN: '为补全请求签名。',
  ZAI_SIGNING_KEY: '签名用的密钥，是网站脚本中的公开常量。',
  ZAI_FE_VERSION: '得知网站页面的当前版本之前所声称的版本。',
  LOG_LEVEL: '写入日志的最低级别。',
  DEBUG_LOGGING: 'LOG_LEVEL=debug 的简写，在没有设置 LOG_LEVEL 时有效。',
  LOG_FORMAT:
    '日志行的形式：short 每个请求一行 100 列，text 包含全部事实，json 给程序读取，auto 在终端上用 short、其他地方用 text。',
  LOG_KEEP: '请求列表中的请求保留多久，以及最多保留多少。',
  CAPTURE:
    '为管理员保留请求的哪些部分：off 不保留，metadata 除内容以外的全部，memory 还有最近的内容，disk 把它们写成状态文件夹里的文件。显示的内容和文件都会先移除机密。',
  CAPTURE_MB:
    '用于保留请求（含请求头）的内存，单位 MB；一条消息最多占八分之一，其余截去。CAPTURE=disk 时用于尚未写入的部分。',
  CAPTURE_DISK_MB: 'CAPTURE=disk 的文件可用的空间，单位 MB；最旧的先删除，即使 LOG_KEEP 还会保留它们。',
  METRICS: '为 Prometheus 提供 GET /metrics，设置了 AUTH_TOKEN 时受其保护。',
  METRICS_PORT: '127.0.0.1 上另外提供 /metrics 且无需密钥的端口；0 表示没有。',
  OTEL_EXPORTER_OTLP_ENDPOINT: '接收每个请求一个 span 的 OpenTelemetry 收集器，走 HTTP 上的 OTLP；从不含内容。',
  OTEL_EXPORTER_OTLP_HEADERS: '发给该收集器的请求头，例如它的密钥；值用百分号编码。',
}

/** What a setting may be, in Chinese, by the English of its kind. */
export const allowedTexts: Readonly<Record<string, string>> = {
  'a host name or an IP address': '主机名或 IP 地址',
  'a whole number from 0 to 65535': '0 到 65535 的整数',
  'true or false': 'true 或 false',
  '* or origins such as https://chat.example, separated by commas': '* 或以逗号分隔的来源，例如 https://chat.example',
  'a whole number, 1 or more': '1 以上的整数',
  'a whole number, 0 or more': '0 以上的整数',
  'a whole number, 100 or more': '100 以上的整数',
  'a whole number from 1 to 100': '1 到 100 的整数',
  'a whole number from 1 to 10000': '1 到 10000 的整数',
  'a whole number from 1 to 16384': '1 到 16384 的整数',
  'a whole number from 1 to 1048576': '1 到 1048576 的整数',
  'a whole number from 1 to 3600000': '1 到 3600000 的整数',
  'a whole number from 1 to 86400000': '1 到 86400000 的整数',
  'comment or chunk': 'comment 或 chunk',
  'memory, sqlite:PATH or postgres://…': 'memory、sqlite:PATH 或 postgres://…',
  'printable ASCII without spaces': '可打印的 ASCII，不含空格',
  'keys of printable ASCII, separated by commas': '可打印的 ASCII 密钥，以逗号分隔',
  'a name without spaces': '不含空格的名称',
  'name=model pairs separated by commas, or a JSON object of them': '以逗号分隔的 名称=模型，或这样的 JSON 对象',
  'rows such as [{"id":"glm-5.5","context_tokens":1048576}]':
    '若干行，例如 [{"id":"glm-5.5","context_tokens":1048576}]',
  'think, tags, strip or raw': 'think、tags、strip 或 raw',
  'reasoning_content, reasoning or both': 'reasoning_content、reasoning 或 both',
  'auto, on or off': 'auto、on 或 off',
  '* or hosts (mcp.example.com, 127.0.0.1:3000) or addresses (https://mcp.example.com/mcp), separated by commas':
    '*，或以逗号分隔的主机（mcp.example.com、127.0.0.1:3000）或地址（https://mcp.example.com/mcp）',
  'memory, off, database or the path of a file': 'memory、off、database 或文件路径',
  'one or more of zai-web, zai-api, demo, separated by commas': 'zai-web、zai-api、demo 中的一个或多个，以逗号分隔',
  'an http(s) URL with a path and without user name': '带路径、不带用户名的 http(s) URL',
  'general, coding, bigmodel, bigmodel-coding or an http(s) URL that ends in /v4':
    'general、coding、bigmodel、bigmodel-coding，或以 /v4 结尾的 http(s) URL',
  'flatten or roles': 'flatten 或 roles',
  'debug, info, warn, error or off': 'debug、info、warn、error 或 off',
  'auto, short, text or json': 'auto、short、text 或 json',
  'an age in d or h and a number of requests, such as 30d,1000000': '以 d 或 h 为单位的时长和请求数，例如 30d,1000000',
  'off, metadata, memory or disk': 'off、metadata、memory 或 disk',
  'an http(s) URL without user name': '不带用户名的 http(s) URL',
  'a name of lower-case letters, digits and -, and none of zai-web, zai-api and demo':
    '由小写字母、数字和 - 组成的名称，且不是 zai-web、zai-api、demo',
  'an http(s) URL in front of /chat/completions, without user name, such as http://127.0.0.1:8000/v1':
    '/chat/completions 之前的 http(s) URL，不带用户名，例如 http://127.0.0.1:8000/v1',
  'a list of keys': '密钥的列表',
  'a list of names of models': '模型名称的列表',
  'one of template, effort and none': 'template、effort、none 之一',
  'name=value pairs of printable ASCII, separated by commas': '以逗号分隔的 名称=值，可打印的 ASCII',
}

/** What each field of `[[upstreams]]` is for, in Chinese; the English is in the kinds. docs/zh-CN/upstreams.md has it from here. */
export const rowTexts: Readonly<Record<string, string>> = {
  'Your name for it, as in NAME/MODEL, x-zai2api-upstream, /metrics and errors.':
    '您起的名字，用于 NAME/MODEL、x-zai2api-upstream、/metrics 和错误信息。',
  'Address of the server. The keys go to it alone.': '服务器的地址；密钥只发往这里。',
  'Keys, used in turn; none for a server that asks for none.': '轮流使用的密钥；服务器不要求密钥时可省略。',
  'Keys, used in turn.': '轮流使用的密钥。',
  'The only models to offer; without it, all that the server lists.': '只提供这些模型；省略则提供服务器列出的全部。',
  'How reasoning is switched: template for vLLM, SGLang and llama.cpp, effort for OpenRouter, none where the server decides.':
    '如何开关思考：vLLM、SGLang、llama.cpp 用 template，OpenRouter 用 effort，由服务器决定则用 none。',
  'Service of the official API that the keys belong to, or its address.': '密钥所属的官方 API 服务，或它的地址。',
}
