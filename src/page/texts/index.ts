import { commonTexts, firstRunTexts, keyboardTexts, placeTexts, signInTexts } from './common.ts'
import { keysTexts } from './keys.ts'
import { nowTexts } from './now.ts'
import { requestsTexts, requestTexts } from './requests.ts'
import { systemTexts } from './system.ts'
import { tryItTexts } from './try.ts'
import { upstreamsTexts } from './upstreams.ts'
import { sessionsTexts, usageTexts } from './usage.ts'

/**
 * Every text of the page, in English and in Chinese, side by side. A text without its translation does not compile, nor
 * one whose translation takes other values.
 */
export const texts = {
  ...placeTexts,
  ...commonTexts,
  ...signInTexts,
  ...nowTexts,
  ...firstRunTexts,
  ...tryItTexts,
  ...requestsTexts,
  ...requestTexts,
  ...usageTexts,
  ...sessionsTexts,
  ...keysTexts,
  ...upstreamsTexts,
  ...systemTexts,
  ...keyboardTexts,
}
