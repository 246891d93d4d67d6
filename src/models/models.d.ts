declare module '*/models.toml' {
  /** As row.ts has it; a test holds the file against the schema. */
  const content: { assumed: import('./row.ts').ModelFields; models: import('./row.ts').ModelRow[] }
  export default content
}
