/** A model that sees images and video, named where a model does not. Source: its row in `models.toml`. */
export const visionExample = 'GLM-4.6V'
