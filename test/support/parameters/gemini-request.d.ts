// Google's package has the members of a request as types, and no type of the whole, which it puts together itself.
import type {
  Content,
  GenerationConfig,
  SafetySetting,
  Tool,
  ToolConfig,
} from '../../../node_modules/@google/genai/dist/genai.d.ts'

export interface GenerateContentRequest {
  contents: Content[]
  systemInstruction?: Content
  tools?: Tool[]
  toolConfig?: ToolConfig
  safetySettings?: SafetySetting[]
  generationConfig?: GenerationConfig
  cachedContent?: string
  labels?: Record<string, string>
  serviceTier?: string
  store?: boolean
  continuationToken?: string
}
