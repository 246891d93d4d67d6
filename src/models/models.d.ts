declare module '*/models.toml' {
  /** The types of row.ts. A test checks the file against the schema. */
  const content: {
    assumed: import('./row.ts').ModelFields
    models: import('./row.ts').BuiltInRow[]
    peak: import('./cost.ts').PeakHours
  }
  export default content
}
