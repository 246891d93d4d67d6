/** What the program offers, in the same words in its help, documents, services and packages. It begins without an article. */
export const productSummary = "OpenAI, Anthropic, Gemini and Ollama APIs for Z.AI's GLM models"
