/** Where Effect's `PersistedQueue` keeps the jobs. */
export const jobsTable = "jobs"

/** Where jobs for Amazon SQS wait to be sent. */
export const outboxTable = "job_outbox"

/** Who relays them. */
export const leasesTable = "leases"
