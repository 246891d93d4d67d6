/** How a user gets a token of chat.z.ai. Errors and doctor end with it. */
export const tokenAdvice = 'Sign in at chat.z.ai and copy "token" from the local storage of its page into ZAI_TOKEN.'
