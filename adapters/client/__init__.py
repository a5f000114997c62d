"""The client of the service, for Python: it knows HTTP, and nothing of the server. Users import `sealbook.client`."""
