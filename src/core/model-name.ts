/** Longest name of a model that is taken, in UTF-16 units: replies repeat it, streams with each event. */
export const longestModelName = 256
