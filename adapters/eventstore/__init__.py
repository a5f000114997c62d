"""Event stores: PostgreSQL and memory behind one contract."""
