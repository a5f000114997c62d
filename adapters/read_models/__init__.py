"""Read models in PostgreSQL: model and tracking position move in one transaction."""
