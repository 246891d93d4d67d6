import { type ClientSetup, type ClientTarget, keyVariable, quoted, readOn, seesImages, windowOf } from './setup.ts'

/** Programs to chat in, and those to build assistants and workflows with. */
export const chatClients = {
  'claude-desktop': {
    label: 'Claude Desktop',
    source: { read: 'docs.litellm.ai/docs/proxy/client_setup/claude_desktop, of 2026-10-12', at: readOn },
    note: 'First Help > Troubleshooting > Enable Developer Mode. All of its chats then go to the gateway, and none to claude.ai.',
    usesAnthropicKey: true,
    form: {
      where: 'Developer > Configure Third-Party Inference > Connection',
      fields: ({ url, key }) => ({
        'Inference provider': 'Gateway',
        'Gateway base URL': url,
        'Gateway API key': key,
        'Gateway auth scheme': 'bearer',
      }),
    },
  },
  'open-webui': {
    label: 'Open WebUI',
    source: { read: 'docs.openwebui.com, "Connect a Provider"', at: readOn },
    note: 'In a container, 127.0.0.1 is the container itself: use http://host.docker.internal.',
    form: {
      where: 'Admin Settings > Connections > OpenAI > Add New Connection',
      fields: ({ url, key }) => ({ URL: `${url}/v1`, 'API Key': key }),
    },
  },
  lobechat: {
    label: 'LobeChat',
    source: { read: 'lobehub/chat, docs/self-hosting/environment-variables/model-provider.mdx', at: readOn },
    variables: ({ url, key, models }) => [
      { name: 'OPENAI_PROXY_URL', value: `${url}/v1`, why: 'The gateway instead of api.openai.com.' },
      { name: 'OPENAI_API_KEY', value: key, why: 'Its key.' },
      {
        name: 'OPENAI_MODEL_LIST',
        value: ['-all', ...models.map(({ id }) => `+${id}`)].join(','),
        why: 'The models here instead of those of OpenAI.',
      },
    ],
  },
  'cherry-studio': {
    label: 'Cherry Studio',
    source: { read: 'docs.cherry-ai.com, "NewAPI"', at: readOn },
    note: 'The address has no path. Manage fetches the list of models.',
    form: {
      where: 'Settings > Model Provider > Add',
      fields: ({ url, key }) => ({ 'Provider Type': 'OpenAI', 'API Key': key, 'API Host': url }),
    },
  },
  librechat: {
    label: 'LibreChat',
    source: { read: 'librechat.ai/docs, "Custom Endpoint Object Structure"', at: readOn },
    note: 'The key goes into its .env, too.',
    snippet: { file: 'librechat.yaml', text: librechatConfig },
  },
  raycast: {
    label: 'Raycast',
    source: { read: 'raycast.com/ernest0n/raycast-ai-custom-providers', at: readOn },
    snippet: { file: '~/.config/raycast/ai/providers.yaml', text: raycastProviders, key: '' },
  },
  n8n: {
    label: 'n8n',
    source: { read: 'github.com/n8n-io/n8n, packages/nodes-base/credentials/OpenAiApi.credentials.ts', at: readOn },
    form: {
      where: 'a credential of the kind OpenAI, for the node OpenAI Chat Model',
      fields: ({ url, key }) => ({ 'API Key': key, 'Base URL': `${url}/v1` }),
    },
  },
  dify: {
    label: 'Dify',
    source: { read: 'github.com/langgenius/dify-official-plugins, models/openai_api_compatible', at: readOn },
    form: { where: 'Settings > Model Provider > OpenAI-API-compatible > Add Model', fields: difyFields },
  },
} as const satisfies Record<string, ClientSetup>

function librechatConfig({ url, primary, small }: ClientTarget): string {
  return `version: 1.2.1
endpoints:
  custom:
    - name: zai2api
      apiKey: \${${keyVariable}}
      baseURL: ${quoted(`${url}/v1`)}
      models:
        default: [${quoted(primary.id)}]
        fetch: true
      titleConvo: true
      titleModel: ${quoted(small.id)}
      modelDisplayLabel: GLM`
}

function raycastProviders({ url, key, models }: ClientTarget): string {
  const entries = models.map(
    (model) => `      - id: ${quoted(model.id)}
        name: ${quoted(model.id)}
        context: ${windowOf(model)}
        abilities:
          system_message: { supported: true }
          tools: { supported: true }
          vision: { supported: ${seesImages(model)} }`,
  )
  return `providers:
  - id: zai2api
    name: zai2api
    base_url: ${quoted(`${url}/v1`)}
    api_keys:
      zai2api: ${quoted(key)}
    models:
${entries.join('\n')}`
}

function difyFields({ url, key, primary }: ClientTarget): Record<string, string> {
  return {
    'Model Name': primary.id,
    'API Key': key,
    'API Base URL': `${url}/v1`,
    'Completion mode': 'Chat',
    'Model context size': String(windowOf(primary)),
    ...(primary.maxOutputTokens === undefined ? {} : { 'Upper bound for max tokens': String(primary.maxOutputTokens) }),
    'Function Call Type': 'Tool Call',
    'Stream function calling': 'Support',
    'Vision Support': seesImages(primary) ? 'Support' : 'Not Support',
  }
}
