"""The embedded PostgreSQL server: finding it, running it, never leaving it behind."""
