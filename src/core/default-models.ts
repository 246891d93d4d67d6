/** The model for names of other vendors where nothing newer is known to be available. It is also the one of all examples. */
export const defaultModel = 'GLM-4.5'

/** The smallest model that every service of the vendor has: for the side jobs of agents, and to try a key. */
export const defaultSmallModel = 'GLM-4.5-Air'

/** A model that sees images and video, named in errors and notes where a model does not see them. */
export const visionExample = 'GLM-4.6V'
