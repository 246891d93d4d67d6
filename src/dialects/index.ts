import type { Dialects } from '../core/dialect.ts'
import { anthropicMessages } from './anthropic-messages/index.ts'
import { gemini } from './gemini/index.ts'
import { ollamaChat, ollamaGenerate } from './ollama/index.ts'
import { openaiChat } from './openai-chat/index.ts'
import { openaiCompletions } from './openai-completions/index.ts'
import { openaiResponses } from './openai-responses/index.ts'

/** Every API that clients may speak. */
export const dialects: Dialects = [
  openaiChat,
  openaiResponses,
  anthropicMessages,
  openaiCompletions,
  gemini,
  ollamaChat,
  ollamaGenerate,
]
