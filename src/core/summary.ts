/** What the program gives, for help, documents, services and packages; an article stands in front where a sentence needs it. */
export const summary = "OpenAI, Anthropic, Gemini and Ollama APIs for Z.AI's GLM models"
