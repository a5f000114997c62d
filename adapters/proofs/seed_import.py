"""Seeds from a token maker's file (PSKC), put behind credentials that are in the ledger.

All is looked at before anything is done. Then each seed is in the vault before the ledger says that it counts; a
second run finds what the first has done, and goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sealbook.adapters.proofs.pskc import PskcKey
from sealbook.adapters.proofs.seeds import seed_field
from sealbook.adapters.proofs.totp import Seed, encode_seed
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import EventStore
from sealbook.application.requests import OnCredential
from sealbook.application.vault import Vault
from sealbook.domain.credential import Credential, SetSecret
from sealbook.domain.errors import Refused
from sealbook.domain.kind_document import KindBook

ACTOR, CHANNEL = "operator", "cli"


class BadSeeds(Exception):
    """Keys of the file cannot be put behind credentials. The message names a key by its place in the file."""


class Imported(NamedTuple):
    """How many seeds were set now, and how many stood already."""

    set: int
    there: int


class _Planned(NamedTuple):
    number: int
    credential: UUID
    owner: UUID
    generation: int
    seed: Seed


def import_seeds(
    store: EventStore,
    vault: Vault,
    keys: Sequence[PskcKey],
    *,
    kinds: KindBook,
    named: Callable[[PskcKey], str | None],
    at: datetime,
    new_id: Callable[[], UUID],
) -> Imported:
    """Set the seeds of a file's keys; `named` says which credential a key is for.

    `vault` is over the store's own connection. Raises BadSeeds, Refused, Unavailable. Refused, and BadSeeds of a seed
    that somebody else sets now, come after what was done before, which stays: run it again once the reason is gone.
    """
    planned = _planned(store, vault, keys, kinds, named)
    for each in planned:
        put = _put(store, vault, each)
        wish = OnCredential(credential=each.credential, command=SetSecret(at=at, generation=each.generation))
        command = Command(request=wish, command_id=new_id(), actor=ACTOR, channel=CHANNEL)
        (outcome,) = execute(store, [command], kinds=kinds)
        if outcome.refusal is not None:
            if put:
                vault.forget(subject=each.credential, field=seed_field(each.generation))
            raise Refused(outcome.refusal, outcome.message)
        if each.generation > 1:
            vault.forget(subject=each.credential, field=seed_field(each.generation - 1))
    return Imported(set=len(planned), there=len(keys) - len(planned))


def _planned(
    store: EventStore,
    vault: Vault,
    keys: Sequence[PskcKey],
    kinds: KindBook,
    named: Callable[[PskcKey], str | None],
) -> list[_Planned]:
    """Return what is to be done. Raises BadSeeds if any key cannot be used."""
    names = [named(key) for key in keys]
    states = _states(store, [Name(NameKind.CREDENTIAL, name) for name in names if name])
    planned, seen = list[_Planned](), set[UUID]()
    for number, (key, name) in enumerate(zip(keys, names, strict=True), 1):
        found = None if name is None else states.get(name)
        if found is None:
            raise BadSeeds(f"key {number} is of no credential in the ledger: issue it first, or see --by")
        stream, state = found
        form = kinds.kind(state.kind).one_time_code
        if key.profile != "totp" or form is None:
            raise BadSeeds(f"key {number} makes no codes by the time, or its credential takes none")
        # The ledger counts steps and knows no seconds: those of a later seed, made for the kind, must go on from here.
        if (key.seed.digits, key.seed.step_seconds) != (form.digits, form.step_seconds):
            wanted = f"{form.digits} digits every {form.step_seconds} seconds"
            raise BadSeeds(f"key {number} makes codes of another form than its kind takes: {wanted}")
        if stream in seen:
            raise BadSeeds(f"key {number} is of a credential that an earlier key is of")
        seen.add(stream)
        if vault.get(subject=stream, field=seed_field(state.secret_generation)) != encode_seed(key.seed):
            planned.append(_Planned(number, stream, state.customer, state.secret_generation + 1, key.seed))
    return planned


def _put(store: EventStore, vault: Vault, planned: _Planned) -> bool:
    """Put a seed into the vault; tell whether it was not there yet. Raises BadSeeds if another one is."""
    subject, field, seed = planned.credential, seed_field(planned.generation), encode_seed(planned.seed)
    # The service looks and puts while it holds the book: whoever comes second finds what the first one put.
    with store.locked():
        found = vault.get(subject=subject, field=field)
        if found is None:
            vault.put(seed, subject=subject, field=field, owner=planned.owner, data_class="secret")
    if found not in (None, seed):
        raise BadSeeds(f"key {planned.number} is of a credential whose seed is being set now: try again")
    return found is None


def _states(store: EventStore, names: Sequence[Name]) -> Mapping[str, tuple[UUID, Credential]]:
    loaded = store.load(streams=(), names=names, commands=())
    found = ((name.value, stream, loaded.heads[stream].state) for name, stream in loaded.names.items())
    return {name: (stream, state) for name, stream, state in found if isinstance(state, Credential)}
