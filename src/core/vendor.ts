/** The vendor of all built-in models, as lists of models name it. */
export const vendor = 'z-ai'
