/** What the routes of a table may be sorted by; apart from what sorts them, for `--help` to load nothing else. */
export const USE_SORTS = ['flows', 'bytes'] as const;
export type UseSort = (typeof USE_SORTS)[number];
