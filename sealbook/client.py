"""The client of the service: `Client` waits for the answer, `AsyncClient` is awaited. See docs/tutorial.md."""

from sealbook.adapters.client.attempts import Patience
from sealbook.adapters.client.clients import AsyncClient, Client
from sealbook.adapters.client.failures import ClientError, NoAnswer, Problem
from sealbook.adapters.client.uses import Code, Signature, Use, Wish, message_to_sign, signed

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Code",
    "NoAnswer",
    "Patience",
    "Problem",
    "Signature",
    "Use",
    "Wish",
    "message_to_sign",
    "signed",
]
