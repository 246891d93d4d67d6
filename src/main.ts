// First, since it may start the executable anew, and then nothing else should have been loaded.
import './server/restart.ts'

import('./program.ts')
