"""The command line: one verdict a call."""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from sealbook_verify import __version__
from sealbook_verify.bundle import verify_bundle
from sealbook_verify.entry import verify_entry
from sealbook_verify.full import verify_full
from sealbook_verify.growth import verify_growth
from sealbook_verify.policy import read_policy
from sealbook_verify.verdict import BadInput, CannotTell, Disproved, Proven

PROVEN, DISPROVED, BAD_INPUT, CANNOT_TELL, INTERRUPTED = 0, 1, 2, 3, 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message}; see --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 proven, 1 disproved, 2 bad input, 3 cannot tell."""
    try:
        return _main(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _say_no_more()
        return INTERRUPTED
    except (OSError, AttributeError):
        # The disk is full or the output closed: a verdict that nobody could be told is none.
        _say_no_more()
        return CANNOT_TELL


def _say_no_more() -> None:
    # Else Python would try once more as it ends, and have the last word.
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _main(arguments: Sequence[str] | None) -> int:
    typed = None
    try:
        typed = _parser().parse_args(arguments)
        proven = _verify(typed)
    except Disproved as found:
        facts = {"claim": found.claim, "position": found.position, "says": found.why}
        return _say(DISPROVED, "DISPROVED", str(found), [], facts, as_json=typed is not None and typed.as_json)
    except CannotTell as found:
        facts = {"says": str(found)}
        return _say(CANNOT_TELL, "CANNOT TELL", str(found), [], facts, as_json=typed is not None and typed.as_json)
    except BadInput as error:
        return _complain(str(error))
    except UnicodeDecodeError:
        return _complain("a file that should be text is not UTF-8")
    except OSError as error:
        return _complain(f"{error.filename or 'a file'}: {error.strerror or error}")
    facts = {"says": proven.says, **proven.facts}
    return _say(PROVEN, "PROVEN", proven.says, list(proven.lines), facts, as_json=typed.as_json)


def _verify(typed: argparse.Namespace) -> Proven:
    policy, witnesses = read_policy(typed.policy.read_bytes()), typed.witnesses
    match typed.verb:
        case "history":
            proven = verify_bundle(typed.file.read_bytes(), policy, witnesses=witnesses, stream=typed.stream)
            if "absent" in proven.facts and typed.stream is None:
                # Of every other id in the same gap it is true as well: whose absence is meant has to be said.
                raise BadInput("this proves that an id does not exist: name the id with --stream")
            return proven
        case "entry":
            return verify_entry(_text(typed.file), policy, witnesses=witnesses)
        case "growth":
            return verify_growth(_text(typed.old), _text(typed.new), _text(typed.proof), policy, witnesses=witnesses)
        case _:
            return verify_full(typed.tiles, typed.events, policy, witnesses=witnesses)


def _parser() -> argparse.ArgumentParser:
    shared = _Parser(add_help=False)
    shared.add_argument("--policy", type=Path, required=True, help="whom you trust: logs, witnesses, quorum")
    shared.add_argument("--witnesses", type=_count, default=0, metavar="K", help="ask for K cosignatures or more")
    shared.add_argument("--json", "--as-json", action="store_true", dest="as_json", help="one JSON object")
    parser = _Parser(prog="sealbook-verify", description="Checks the proofs of a Sealbook ledger, offline.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=_Parser)
    history = verbs.add_parser("history", parents=[shared], help="one stream's history is whole, or there is none")
    history.add_argument("file", type=Path, help="what `sealbook export history` wrote")
    history.add_argument("--stream", type=_stream, help="the bundle must be about this id")
    entry = verbs.add_parser("entry", parents=[shared], help="one event is in the log")
    entry.add_argument("file", type=Path, help="a .tlog-proof")
    growth = verbs.add_parser("growth", parents=[shared], help="the log only grew")
    for name, meaning in (("old", "the earlier checkpoint"), ("new", "the later one"), ("proof", "hashes")):
        growth.add_argument(name, type=Path, help=meaning)
    full = verbs.add_parser("full", parents=[shared], help="the whole log is what the events make it")
    full.add_argument("tiles", type=Path, help="the folder of the log")
    full.add_argument("events", type=Path, help="what `sealbook export events` wrote")
    return parser


def _count(typed: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", typed):
        raise argparse.ArgumentTypeError("a number from 0 to 9999 is needed")
    return int(typed)


def _stream(typed: str) -> UUID:
    try:
        return UUID(typed)
    except ValueError as error:
        raise argparse.ArgumentTypeError("an id such as 01890000-0000-7000-8000-000000000001 is needed") from error


def _text(path: Path) -> str:
    # Line ends are part of what is signed, so they are left as they are.
    return path.read_bytes().decode()


def _say(code: int, verdict: str, says: str, lines: list[str], facts: Mapping[str, object], *, as_json: bool) -> int:
    told = [json.dumps({"verdict": verdict.lower(), "exit": code, **facts}, ensure_ascii=True)]
    if not as_json:
        told = [f"{verdict}: {says}", *lines]
    sys.stdout.write("".join(f"{_harmless(line)}\n" for line in told))
    sys.stdout.flush()
    return code


def _complain(message: str) -> int:
    sys.stderr.write(f"sealbook-verify: {_harmless(message)}\n")
    return BAD_INPUT


def _harmless(line: str) -> str:
    """Return a line with whatever might move a terminal's cursor, or turn text around, written as its number."""
    shown = (each if each.isprintable() else f"\\u{{{ord(each):x}}}" for each in line)
    return (
        "".join(shown).encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode(sys.stdout.encoding or "utf-8")
    )
