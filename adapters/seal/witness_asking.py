"""The log's side of witnessing: what it asks for, and what it makes of the answers."""

from collections.abc import Iterable
from typing import NamedTuple

from sealbook.adapters.seal.folder import POLICY, SealFolder, stands_at
from sealbook.adapters.seal.merkle import consistency_proof, tree_root
from sealbook.adapters.seal.notes import (
    COSIGNATURE,
    BadNote,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    parse_checkpoint,
)
from sealbook.adapters.seal.tiles import SealBroken, replace_file
from sealbook.adapters.seal.witness import locked
from sealbook.adapters.seal.witness_request import WitnessRequest

_LOCK = "witnessed.lock"


class KnownWitness(NamedTuple):
    """A witness as the policy names it."""

    name: str
    key: VerifierKey
    url: str | None


class Taken(NamedTuple):
    """What a cosigned checkpoint came to. It is not stored where one of more entries was there already."""

    checkpoint: Checkpoint
    stored: bool
    witnesses: tuple[str, ...]


class Witnessing:
    """One log's folder, as its witnesses concern it. All of it raises SealBroken where the folder is damaged."""

    def __init__(self, folder: SealFolder) -> None:
        self._folder = folder

    def checkpoint(self) -> Note:
        """Return the latest checkpoint. Raises BadNote where there is none."""
        note = self._folder.checkpoint()
        if note is None:
            raise BadNote(f"nothing is sealed in {self._folder.path} yet: run sealbook seal first")
        return note

    def stands_at(self) -> int:
        """Return the size of the latest checkpoint that a witness has cosigned; 0 where there is none."""
        note = self._folder.witnessed()
        return stands_at(note).size if note else 0

    def request(self, note: Note, *, old: int) -> WitnessRequest:
        """Return what asks a witness that stands at a size to cosign a checkpoint of ours. Raises BadNote."""
        size = stands_at(note).size
        if old > size:
            raise BadNote(f"the log has {size} entries, no witness of it can stand at {old}")
        return WitnessRequest(old, consistency_proof(self._folder.tiles.node(size), old, size), note)

    def witnesses(self) -> list[KnownWitness]:
        """Return the witnesses that the policy names. Raises BadNote."""
        return list(_witnesses(self._folder.policy()))

    def take(self, note: Note, key: VerifierKey, *, url: str | None = None) -> Taken:
        """Keep a witness's cosignature of a checkpoint of ours, and name the witness in the policy. Raises BadNote."""
        checkpoint = self._ours(note)
        if key.algorithm != COSIGNATURE:
            raise BadNote(f"the key of {key.name} is not a witness's: give the line that sealbook witness init printed")
        if not key.signed(note):
            raise BadNote(f"there is no cosignature by {key.name} under it, or a wrong one")
        with locked(self._folder.path / _LOCK):
            known = self.witnesses()
            _check_is_new(known, key)
            before = self._folder.witnessed()
            size_before = stands_at(before).size if before else 0
            if size_before > checkpoint.size:
                return Taken(checkpoint, stored=False, witnesses=())
            if before and size_before == checkpoint.size and before.text != note.text:
                raise SealBroken(f"the log signed two roots for {checkpoint.size} entries: look at witnessed")
            lines = (*before.signatures, *note.signatures) if before and before.text == note.text else note.signatures
            trusted = [*self._log_keys(), key, *(each.key for each in known)]
            kept = Note(note.text, _newest(each for each in lines if any(by.made(each, note.text) for by in trusted)))
            self._folder.put_witnessed(kept)
            self._name_witness(known, key, url)
        names = tuple(each.name for each in kept.signatures if each.name != checkpoint.origin)
        return Taken(checkpoint, stored=True, witnesses=names)

    def _ours(self, note: Note) -> Checkpoint:
        """Return what a note says, if this log signed it. Raises BadNote, and SealBroken where the tiles contradict."""
        own = stands_at(self.checkpoint())
        checkpoint = parse_checkpoint(note.text)
        if checkpoint.origin != own.origin or not any(
            key.signed(note) for key in self._log_keys() if key.name == own.origin
        ):
            raise BadNote(f"it is not signed by this log, {own.origin}")
        if checkpoint.size > own.size:
            raise SealBroken(f"the log signed {checkpoint.size} entries and has {own.size}: was an old copy restored?")
        # By the tiles of today: those of that day may have been replaced by fuller ones.
        if tree_root(self._folder.tiles.node(own.size), checkpoint.size) != checkpoint.root:
            raise SealBroken(f"the log signed another root for {checkpoint.size} entries than its tiles lead to")
        return checkpoint

    def _log_keys(self) -> list[VerifierKey]:
        return [VerifierKey.parse(words[1]) for words in _lines(self._folder.policy(), "log")]

    def _name_witness(self, known: Iterable[KnownWitness], key: VerifierKey, url: str | None) -> None:
        before = next((each for each in known if each.key == key), None)
        if before and url in (None, before.url):
            return
        name = before.name if before else key.name
        new = " ".join(["witness", name, str(key), *([url] if url else [])])
        kept: list[str] = []
        for line in self._folder.policy().splitlines():
            words = line.split()
            if new and words[:1] in (["group"], ["quorum"]):
                # Groups and the quorum may name it: they must come after it.
                kept.append(new)
                new = ""
            if words[:1] != ["witness"] or str(key) not in words:
                kept.append(line)
        text = "".join(f"{line}\n" for line in [*kept, new] if line)
        replace_file(self._folder.path / POLICY, text.encode())


def _check_is_new(known: Iterable[KnownWitness], key: VerifierKey) -> None:
    if any(each.name == key.name and each.key != key for each in known):
        raise BadNote(
            f"the policy knows {key.name} by another key: if it has a new one, take its line out of the policy"
        )


def _newest(lines: Iterable[Signature]) -> tuple[Signature, ...]:
    """Return one line for each key. A witness that cosigned again is kept with its later time: it comes first in it."""
    found: dict[tuple[str, bytes], Signature] = {}
    for each in lines:
        key = each.name, each.key_id
        found[key] = max(found.get(key, each), each, key=lambda line: line.blob)
    return tuple(found.values())


def _witnesses(policy: str) -> Iterable[KnownWitness]:
    for _, name, *rest in _lines(policy, "witness"):
        if not rest or len(rest) > 2:
            raise BadNote(f"policy: the line of witness {name} must have its name, its key, and its address if any")
        yield KnownWitness(name, VerifierKey.parse(rest[0]), rest[1] if len(rest) > 1 else None)


def _lines(policy: str, first: str) -> Iterable[list[str]]:
    for line in policy.splitlines():
        words = line.split()
        if words[:1] == [first]:
            if len(words) == 1:
                raise BadNote(f"policy: a line says {first} and no more")
            yield words
