import { render } from 'preact'
import { App } from './app.tsx'

// What stands there is for the first paint, and looks the same.
document.body.replaceChildren()
render(<App />, document.body)
