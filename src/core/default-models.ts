/** The model for names of other vendors if no newer one is known to be available. All examples use it, too. */
export const defaultModel = 'GLM-4.5'

/** The smallest model that every service of the vendor has, for side jobs of agents and for testing a key. */
export const defaultSmallModel = 'GLM-4.5-Air'

/** A model that sees images and video, named in errors and notes where a model does not see them. */
export const visionExample = 'GLM-4.6V'
