"""The methods of both clients. Each is said once, as a function that makes a call; here it becomes a method.

Of `Client` a method returns the result, of `AsyncClient` something to await.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

from sealbook.adapters.client import holders, jobs, lives, office, proofs, reading, uses
from sealbook.adapters.client.calls import Call
from sealbook.adapters.client.generic import command, read
from sealbook.adapters.client.results import Page

P = ParamSpec("P")
T = TypeVar("T")


class Sends(ABC):
    """Sends a call and waits for its result."""

    @abstractmethod
    def send(self, call: Call[T], /) -> T: ...

    @abstractmethod
    def rows(self, call: Call[Page[T]], /) -> Iterator[T]: ...


class SendsAsync(ABC):
    """Sends a call; its result is awaited."""

    @abstractmethod
    def send(self, call: Call[T], /) -> Awaitable[T]: ...

    @abstractmethod
    def rows(self, call: Call[Page[T]], /) -> AsyncIterator[T]: ...


class Method(Generic[P, T]):
    """A method that sends the call that a function makes."""

    def __init__(self, make: Callable[P, Call[T]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, client: Sends, of: type, /) -> Callable[P, T]: ...

    @overload
    def __get__(self, client: SendsAsync, of: type, /) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, client: Any, of: type, /) -> Any:
        return self if client is None else _bound(self._make, client.send)


class Listing(Generic[P, T]):
    """A method that goes through the pages which begin with the call that a function makes."""

    def __init__(self, make: Callable[P, Call[Page[T]]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, client: Sends, of: type, /) -> Callable[P, Iterator[T]]: ...

    @overload
    def __get__(self, client: SendsAsync, of: type, /) -> Callable[P, AsyncIterator[T]]: ...

    def __get__(self, client: Any, of: type, /) -> Any:
        return self if client is None else _bound(self._make, client.rows)


def _bound(make: Callable[..., Any], send: Callable[[Any], Any]) -> Callable[..., Any]:
    def method(*said: Any, **more: Any) -> Any:  # noqa: ANN401 (as the function has it)
        return send(make(*said, **more))

    return update_wrapper(method, make)


class Methods:
    """What can be asked of the service. The functions say what each takes, and what comes back."""

    # What no method is for
    command = Method(command)
    read = Method(read)

    # Uses
    use = Method(uses.use)
    use_code = Method(uses.use_code)
    use_many = Method(uses.use_many)
    challenge = Method(uses.challenge)

    # Customers and devices
    enroll = Method(holders.enroll)
    join_service = Method(holders.join_service)
    leave_service = Method(holders.leave_service)
    restrict = Method(holders.restrict)
    lift_restriction = Method(holders.lift_restriction)
    record_death = Method(holders.record_death)
    place_legal_hold = Method(holders.place_legal_hold)
    lift_legal_hold = Method(holders.lift_legal_hold)
    close_customer = Method(holders.close_customer)
    register_device = Method(holders.register_device)
    release_device = Method(holders.release_device)
    replace_device = Method(holders.replace_device)
    offer_handover = Method(holders.offer_handover)
    recover_device = Method(holders.recover_device)
    retire_device = Method(holders.retire_device)
    report_loss = Method(holders.report_loss)

    # Applications, issue, and what follows
    apply = Method(lives.apply)
    verify_phone = Method(lives.verify_phone)
    capture_id = Method(lives.capture_id)
    confirm_id = Method(lives.confirm_id)
    verify_account = Method(lives.verify_account)
    retry_step = Method(lives.retry_step)
    escalate = Method(lives.escalate)
    complete = Method(lives.complete)
    abandon = Method(lives.abandon)
    reject = Method(lives.reject)
    issue = Method(lives.issue)
    set_secret = Method(lives.set_secret)
    resynchronize = Method(lives.resynchronize)
    unlock = Method(lives.unlock)
    request_renewal = Method(lives.request_renewal)
    object_to_renewal = Method(lives.object_to_renewal)
    consent_to_renewal = Method(lives.consent_to_renewal)
    switch_policy = Method(lives.switch_policy)
    suspend = Method(lives.suspend)
    resume = Method(lives.resume)
    revoke = Method(lives.revoke)
    signal_clone = Method(lives.signal_clone)
    require_reset = Method(lives.require_reset)
    complete_reset = Method(lives.complete_reset)

    # Looks
    credential = Method(reading.credential)
    customer = Method(reading.customer)
    device = Method(reading.device)
    holdings = Method(reading.holdings)
    renewal_info = Method(reading.renewal_info)
    counts = Method(reading.counts)
    credential_history = Listing(reading.credential_history)
    customer_history = Listing(reading.customer_history)
    device_history = Listing(reading.device_history)
    policy_history = Listing(reading.policy_history)
    list_rows = Listing(reading.rows)

    # Proofs
    checkpoint = Method(proofs.checkpoint)
    credential_bundle = Method(proofs.credential_bundle)
    customer_bundle = Method(proofs.customer_bundle)
    event_proof = Method(proofs.event_proof)

    # The office
    announce_policy = Method(office.announce_policy)
    withdraw_policy = Method(office.withdraw_policy)
    ask_to_erase_customer = Method(office.ask_to_erase_customer)
    ask_to_erase_credential = Method(office.ask_to_erase_credential)
    approve_erasure = Method(office.approve_erasure)
    register_webhook = Method(office.register_webhook)
    webhooks = Method(office.webhooks)
    webhook = Method(office.webhook)
    pause_webhook = Method(office.pause_webhook)
    resume_webhook = Method(office.resume_webhook)
    rotate_webhook_secret = Method(office.rotate_webhook_secret)
    remove_webhook = Method(office.remove_webhook)
    dead_letters = Method(office.dead_letters)
    replay_dead_letters = Method(office.replay_dead_letters)
    discard_dead_letters = Method(office.discard_dead_letters)

    # What-if
    submit_what_if = Method(jobs.submit_what_if)
    what_if_jobs = Method(jobs.what_if_jobs)
    what_if_job = Method(jobs.what_if_job)
    what_if_result = Method(jobs.what_if_result)
    cancel_what_if = Method(jobs.cancel_what_if)
