"""The HTTP API: routes, problems, who may do what."""
