/** The header in which Anthropic's clients send an API key. */
export const keyHeader = 'x-api-key'
/** Every request of Anthropic's clients names a version of the API: `2023-06-01`, the only one that they send. */
export const versionHeader = 'anthropic-version'
export const apiVersion = '2023-06-01'
