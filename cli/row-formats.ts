/** What `--format` takes. In a file of its own, as the flags of commands are read at every start. */
export const ROW_FORMATS = ['table', 'json', 'ndjson', 'csv'] as const;
export type RowFormat = (typeof ROW_FORMATS)[number];
