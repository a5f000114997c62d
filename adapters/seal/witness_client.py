"""Asking a witness over HTTP."""

from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse, InvalidURL
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from sealbook.adapters.seal.notes import BadNote, Note, Signature, parse_signature
from sealbook.adapters.seal.witness_request import WitnessRequest
from sealbook.adapters.seal.witness_server import ADD_CHECKPOINT, SIZE
from sealbook.application.ports import Unavailable

ANSWER_SECONDS_MAX = 30
ANSWER_BYTES_MAX = 1 << 16
TRIES_MAX = 3
"""How often a witness that stands elsewhere is asked anew, from there: others may ask it in between."""
OK, CONFLICT, TOO_MANY, ITS_FAULT = 200, 409, 429, 500


class WitnessRefused(Exception):
    """The witness does not cosign the checkpoint. The message says why, as it said."""


def cosignatures(
    url: str, note: Note, *, size: int, old: int, proof_from: Callable[[int], Sequence[bytes]]
) -> tuple[Signature, ...]:
    """Return what a witness put under a checkpoint of that size. Raises WitnessRefused, Unavailable and BadNote.

    `old` is where it is thought to stand; it says if that is elsewhere, and gets the proof from there. The lines
    are as it sent them: whether they are its own remains to be checked.
    """
    for _ in range(TRIES_MAX):
        status, content_type, said = _posted(url, WitnessRequest(old, proof_from(old), note))
        if status == OK:
            return tuple(parse_signature(line) for line in said.removesuffix("\n").split("\n"))
        if status == TOO_MANY or status >= ITS_FAULT:
            raise Unavailable(f"the witness at {url} cannot answer now ({status}): {_line(said)}")
        if status != CONFLICT or content_type != SIZE:
            raise WitnessRefused(f"{_line(said)} ({status})")
        old = _size(said)
        if old > size:
            raise WitnessRefused(f"it has seen {old} entries, this log has {size}: was an old copy restored?")
    raise Unavailable(f"the witness at {url} stood elsewhere each time it was asked: ask again")


def _posted(url: str, request: WitnessRequest) -> tuple[int, str, str]:
    """Return status, content type and text of the answer. Raises Unavailable and BadNote."""
    if not url.startswith(("http://", "https://")):
        raise BadNote(f"{url!r} is no witness's address: write http://HOST:PORT")
    try:
        asked = Request(url.rstrip("/") + ADD_CHECKPOINT, str(request).encode(), {"Content-Type": "text/plain"})  # noqa: S310 (its scheme was looked at)
        with cast("HTTPResponse", urlopen(asked, timeout=ANSWER_SECONDS_MAX)) as answer:  # noqa: S310
            return _read(answer.status, answer)
    except HTTPError as refused:
        with refused:
            return _read(refused.code, cast("HTTPResponse", refused))
    except (InvalidURL, ValueError):
        raise BadNote(f"{url!r} is no witness's address: write http://HOST:PORT") from None
    except URLError as error:
        raise Unavailable(f"the witness at {url} cannot be reached: {_line(str(error.reason))}") from error
    except (OSError, HTTPException) as error:
        raise Unavailable(f"the witness at {url} broke off: {_line(str(error)) or type(error).__name__}") from error


def _read(status: int, answer: HTTPResponse) -> tuple[int, str, str]:
    said = answer.read(ANSWER_BYTES_MAX).decode(errors="replace")
    return status, answer.headers.get_content_type(), said


def _size(said: str) -> int:
    number = said.removesuffix("\n")
    if not (number.isascii() and number.isdecimal()) or len(number) > len(str(1 << 63)):
        raise BadNote("the witness did not tell where it stands")
    return int(number)


def _line(said: str) -> str:
    """Return a stranger's words in one line of a terminal."""
    words = "".join(each if each.isprintable() else " " for each in said[:200]).split()
    return " ".join(words)
