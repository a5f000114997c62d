"""Databases of the embedded server: one a test costs little when it is cloned from a template."""

import psycopg
from psycopg import sql

from sealbook.adapters.postgres.server import EmbeddedServer

MAINTENANCE_DATABASE = "postgres"
EMPTY_TEMPLATE = "template1"


def create_database(server: EmbeddedServer, name: str, template: str = EMPTY_TEMPLATE) -> str:
    """Clone the template, to which nobody may be connected, and return the connection string of the clone."""
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    _execute(server, clone)
    return server.dsn(name)


def drop_database(server: EmbeddedServer, name: str) -> None:
    """Remove the database and whoever is still connected to it; one that is absent is as good as removed."""
    _execute(server, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _execute(server: EmbeddedServer, statement: sql.Composed) -> None:
    with psycopg.connect(server.dsn(MAINTENANCE_DATABASE), autocommit=True) as connection:
        connection.execute(statement)
