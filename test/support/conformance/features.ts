import { attachmentFeatures } from './attachment-features.ts'
import { errorFeatures } from './error-features.ts'
import type { Feature } from './feature.ts'
import { optionFeatures } from './option-features.ts'
import { replyFeatures } from './reply-features.ts'
import { storedFeatures } from './stored-features.ts'
import { toolFeatures } from './tool-features.ts'

/** What the README claims, each with the try that proves it, in the order of its table. */
export const features: readonly Feature[] = [
  ...replyFeatures,
  ...toolFeatures,
  ...attachmentFeatures,
  ...optionFeatures,
  ...errorFeatures,
  ...storedFeatures,
]
