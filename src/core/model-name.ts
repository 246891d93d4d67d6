/** Longest accepted model name, in UTF-16 units: every reply repeats it, and streams repeat it in each event. */
export const longestModelName = 256
