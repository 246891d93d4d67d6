// Imported `with { type: 'file' }`, a file becomes part of the executable, and the import its path.
declare module '*.tiktoken' {
  const path: string
  export default path
}
