"""One request, decided: which aggregates it moves, in which order, all or none.

Each aggregate decides for itself; here stands only how a request spreads over several of them.
What another request's guard reads is moved by this one, so two that exclude each other cannot
both pass (no write skew).
"""

from uuid import UUID

from sealbook.application.commands import Request
from sealbook.application.handlers import applications, credentials, customers, devices, histories
from sealbook.application.names import Name, NameKind
from sealbook.application.record_keeping import OnLedger
from sealbook.application.requests import OnPolicy
from sealbook.application.view import View
from sealbook.domain import ledger, policy
from sealbook.domain.dispatch import by_class


def handle(view: View, request: Request) -> UUID:
    """Decide a request and note its events in the view; return the stream that it was about.

    Raises Refused, and then nothing of it counts.
    """
    return _HANDLERS[type(request)](view, request)


def _on_policy(view: View, request: OnPolicy) -> UUID:
    name = Name(NameKind.POLICY, request.policy_id)
    found = view.find(name)
    stream = request.stream if found is None else found
    if found is None:
        view.claim(name, stream)
    view.apply(stream, policy.decide(view.policy(stream), request.command))
    return stream


def _on_ledger(view: View, request: OnLedger) -> UUID:
    view.apply(ledger.LEDGER_STREAM, ledger.decide(view.ledger(), request.command))
    return ledger.LEDGER_STREAM


_HANDLERS = by_class(
    Request,
    "request",
    credentials.handle,
    applications.handle,
    customers.handle,
    devices.handle,
    histories.handle,
    _on_policy,
    _on_ledger,
)
