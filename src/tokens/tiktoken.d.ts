// An import `with { type: 'file' }` embeds the file in the executable. Its value is the path of the file.
declare module '*.tiktoken' {
  const path: string
  export default path
}
