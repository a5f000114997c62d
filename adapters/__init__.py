"""Everything that touches the world: event stores, the database server, read models, the command line."""
