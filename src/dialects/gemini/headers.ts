/** The header in which Google's clients send a key. */
export const keyHeader = 'x-goog-api-key'
/** Google's SDKs send their name and version in it. */
export const sdkHeader = 'x-goog-api-client'
