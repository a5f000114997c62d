"""The processes of a service: workers, the writer, and whoever leads."""
