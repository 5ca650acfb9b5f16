/** Where Effect's `PersistedQueue` keeps the jobs. */
export const jobsTable = "jobs"
