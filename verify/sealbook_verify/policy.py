"""Whom the auditor trusts: logs, witnesses, and how many of them (C2SP tlog-policy)."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from sealbook_verify.notes import COSIGNATURE_V1, ED25519, Key, read_vkey
from sealbook_verify.verdict import BadInput

NONE = "none"


@dataclass(slots=True)
class Policy:
    """`groups` maps a group's name to how many of which members it takes."""

    logs: list[Key] = field(default_factory=list[Key])
    witnesses: dict[str, Key] = field(default_factory=dict[str, Key])
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict[str, tuple[int, list[str]]])
    quorum: str | None = None

    @property
    def keys(self) -> list[Key]:
        return [*self.logs, *self.witnesses.values()]

    def satisfied_by(self, cosigners: Collection[Key]) -> bool:
        """Say whether these keys are a quorum."""
        return self.quorum == NONE or self._witnessed(self.quorum or "", cosigners)

    def _witnessed(self, name: str, cosigners: Collection[Key]) -> bool:
        if name in self.witnesses:
            return self.witnesses[name] in cosigners
        least, members = self.groups[name]
        return sum(self._witnessed(each, cosigners) for each in members) >= least


def read_policy(data: bytes) -> Policy:
    """Read a policy file. Raises BadInput, naming the line."""
    policy = Policy()
    # Names are strings of bytes; this decoding tells any two of them apart.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        try:
            _read_line(policy, line)
        except BadInput as error:
            raise BadInput(f"the policy, line {number}: {error}") from error
    if policy.quorum is None:
        raise BadInput("the policy has no quorum line; `quorum none` asks for no witness")
    if not policy.logs:
        raise BadInput("the policy names no log")
    return policy


def _read_line(policy: Policy, line: str) -> None:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", line):
        raise BadInput("it holds control characters")
    words = re.findall(r"[^ \t]+", line)
    if not words or words[0].startswith("#"):
        return
    match words:
        case ["log", vkey] | ["log", vkey, _]:
            policy.logs.append(_key(vkey, ED25519, policy.logs))
        case ["witness", name, vkey] | ["witness", name, vkey, _]:
            _check_new(policy, name)
            policy.witnesses[name] = _key(vkey, COSIGNATURE_V1, policy.witnesses.values())
        case ["group", name, least, *members]:
            _check_new(policy, name)
            policy.groups[name] = _group(policy, least, members)
        case ["quorum", name] if policy.quorum is None:
            if name != NONE:
                _check_known(policy, name)
            policy.quorum = name
        case _:
            raise BadInput("it is not a log, witness, group or the one quorum line")


def _key(vkey: str, algorithm: int, others: Collection[Key]) -> Key:
    key = read_vkey(vkey)
    if key.algorithm != algorithm:
        raise BadInput(f"a key of type {algorithm} is needed here, and that of {key.name} is of {key.algorithm}")
    if any(each.public == key.public for each in others):
        raise BadInput(f"the key of {key.name} stands here twice")
    return key


def _group(policy: Policy, least: str, members: list[str]) -> tuple[int, list[str]]:
    taken = [each for _, others in policy.groups.values() for each in others]
    for number, member in enumerate(members):
        _check_known(policy, member)
        if member in taken or member in members[:number]:
            raise BadInput(f"{member} is a member of a group already")
    count = {"any": "1", "all": str(len(members))}.get(least, least)
    if not re.fullmatch("[1-9][0-9]{0,3}", count) or int(count) > len(members):
        raise BadInput(f"a group needs `any`, `all` or a number from 1 to that of its members, not {least}")
    return int(count), members


def _check_new(policy: Policy, name: str) -> None:
    if name == NONE or name in policy.witnesses or name in policy.groups:
        raise BadInput(f"the name {name} is taken")


def _check_known(policy: Policy, name: str) -> None:
    if name not in policy.witnesses and name not in policy.groups:
        raise BadInput(f"no witness or group above it is called {name}")
