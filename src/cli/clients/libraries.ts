import { type ClientSetup, type ClientTarget, keyVariable, quoted, readOn, windowOf } from './setup.ts'

/** SDKs and frameworks: variables they read, or lines for the user's program. */
export const libraryClients = {
  openai: {
    label: 'OpenAI SDK',
    source: { ran: 'openai for JavaScript and Python' },
    variables: ({ url, key }) => [
      { name: 'OPENAI_BASE_URL', value: `${url}/v1`, why: 'The gateway instead of api.openai.com.' },
      { name: 'OPENAI_API_KEY', value: key, why: 'Its key.' },
    ],
  },
  anthropic: {
    label: 'Anthropic SDK',
    source: { ran: 'Anthropic for JavaScript and Python' },
    usesAnthropicKey: true,
    variables: ({ url, key }) => [
      { name: 'ANTHROPIC_BASE_URL', value: url, why: 'The gateway instead of api.anthropic.com.' },
      { name: 'ANTHROPIC_AUTH_TOKEN', value: key, why: 'Its key.' },
      { name: 'ANTHROPIC_API_KEY', value: undefined, why: 'Would be sent as well.' },
    ],
  },
  langchain: {
    label: 'LangChain (Python)',
    source: { read: 'docs.langchain.com/oss/python/integrations/chat/vllm', at: readOn },
    note: 'ChatOpenAI leaves out what the model thinks (reasoning_content); its text and tool calls are whole.',
    snippet: { file: 'your program', text: langchainPython },
  },
  'langchain-js': {
    label: 'LangChain (JavaScript)',
    source: { ran: '@langchain/openai 1.5.8' },
    snippet: { file: 'your program', text: langchainJavaScript },
  },
  llamaindex: {
    label: 'LlamaIndex (Python)',
    source: { read: 'developers.llamaindex.ai/python/framework-api-reference/llms/openai_like', at: readOn },
    snippet: { file: 'your program', text: llamaIndexPython },
  },
  'llamaindex-js': {
    label: 'LlamaIndex (JavaScript)',
    source: { ran: '@llamaindex/openai 0.4.22' },
    snippet: { file: 'your program', text: llamaIndexJavaScript },
  },
} as const satisfies Record<string, ClientSetup>

function langchainPython({ url, primary }: ClientTarget): string {
  return `import os
from langchain_openai import ChatOpenAI

llm = ChatOpenAI(
    model=${quoted(primary.id)},
    base_url=${quoted(`${url}/v1`)},
    api_key=os.environ["${keyVariable}"],
)`
}

function langchainJavaScript({ url, primary }: ClientTarget): string {
  return `import { env } from "node:process"
import { ChatOpenAI } from "@langchain/openai"

const llm = new ChatOpenAI({
  model: ${quoted(primary.id)},
  apiKey: env.${keyVariable},
  configuration: { baseURL: ${quoted(`${url}/v1`)} },
})`
}

function llamaIndexPython({ url, primary }: ClientTarget): string {
  return `import os
from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(
    model=${quoted(primary.id)},
    api_base=${quoted(`${url}/v1`)},
    api_key=os.environ["${keyVariable}"],
    context_window=${windowOf(primary)},
    is_chat_model=True,
    is_function_calling_model=True,
)`
}

function llamaIndexJavaScript({ url, primary }: ClientTarget): string {
  return `import { env } from "node:process"
import { OpenAI } from "@llamaindex/openai"

const llm = new OpenAI({
  model: ${quoted(primary.id)},
  apiKey: env.${keyVariable},
  baseURL: ${quoted(`${url}/v1`)},
})`
}
