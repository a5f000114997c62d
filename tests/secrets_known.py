"""What is secret in a test run, and whether it stands in a text."""

import base64
import json
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

END_BYTES = 8
"""By so many bytes at its end a form is looked for: what is shorter is no secret that a text could be searched for."""
DISTINCT_BYTES_MIN = 6
"""A value of fewer different bytes may stand in a text by chance."""
OF_A_TEST_MAX = 2_000
"""How many of the passing secrets of a test are looked for: one that leaks them leaks the first as well."""
SHOWN_BYTES_MAX = 40
WORDS = re.compile(rb"[ -~]*[ -/:-~][ -~]*")
"""Of printable characters, digits and others: a generated test may choose any text that stands in the code, such as
the name of a header or a line of the database's log. No random seed looks so, and the seeds of RFC 6238 are digits."""
CODE = re.compile(rb"(?i)(?:code|proof|otp)s?\b[^0-9\n]{0,24}\b([0-9]{6,8})\b")
"""A number that is called a one-time code. Others are too many, and too short."""


class Kind(StrEnum):
    TOKEN = "token"
    SEED = "seed of one-time codes"
    CODE = "one-time code"
    KEY = "key"
    PASSWORD = "password"
    WEBHOOK_SECRET = "webhook secret"
    APPROVAL = "approval"
    PERSONAL = "personal datum"


class Found(NamedTuple):
    """A secret in a text: in which line, and the line's beginning before any secret."""

    kind: Kind
    line: int
    before: str


def as_bytes(text: str | bytes) -> bytes:
    """Return a text in UTF-8, whatever it is."""
    return text.encode(errors="backslashreplace") if isinstance(text, str) else bytes(text)


def forms(value: bytes) -> Iterator[bytes]:
    """Give a value as it is, in UTF-16, as hexadecimal digits and in base64, wherever in a longer text it stands."""
    texts = [value]
    try:
        texts.append(value.decode().encode("utf-16-le"))
        yield json.dumps(value.decode())[1:-1].encode()
    except UnicodeDecodeError:
        yield repr(value)[2:-1].encode()
    for text in texts:
        yield text
        yield text.hex().encode()
        yield text.hex().upper().encode()
        yield base64.b32encode(text).rstrip(b"=")
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + text + bytes(2))
            # The first and last characters hold bits of the neighbours as well.
            inner = encoded[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]
            yield inner
            yield inner.translate(bytes.maketrans(b"+/", b"-_"))


class _Searched:
    """Values by the ends of their forms. A value is put into its forms when a text is searched, for most never are."""

    def __init__(self) -> None:
        self._kinds = dict[bytes, Kind]()
        self._new = list[bytes]()
        self._by_end = dict[bytes, set[tuple[bytes, Kind]]]()

    def __len__(self) -> int:
        return len(self._kinds)

    def add(self, kind: Kind, value: bytes) -> None:
        if value not in self._kinds:
            self._kinds[value] = kind
            self._new.append(value)

    def by_end(self) -> dict[bytes, set[tuple[bytes, Kind]]]:
        for value in self._new:
            for form in forms(value):
                if len(form) >= END_BYTES:
                    self._by_end.setdefault(form[-END_BYTES:], set()).add((form, self._kinds[value]))
        self._new.clear()
        return self._by_end


class Known:
    """The secrets that a run has come to know. Codes, and what is learned as `passing`, are those of one test only."""

    def __init__(self) -> None:
        self._lasting, self._passing = _Searched(), _Searched()
        self._codes = set[bytes]()

    def learn(self, kind: Kind, value: str | bytes, *, passing: bool = False) -> None:
        """Look for a value from now on, unless it could stand in a text by chance."""
        value = as_bytes(value)
        if len(value) < END_BYTES or len(set(value)) < DISTINCT_BYTES_MIN:
            return
        if kind is Kind.SEED and WORDS.fullmatch(value):
            return
        if not passing:
            self._lasting.add(kind, value)
        elif len(self._passing) < OF_A_TEST_MAX:
            self._passing.add(kind, value)

    def learn_token(self, token: str | bytes) -> None:
        """Look for the claims and the signature of a token: what lies before them is in every other as well."""
        _, *parts = as_bytes(token).split(b".")
        for part in parts:
            # What is so short was made up to be refused.
            if len(part) > SHOWN_BYTES_MAX:
                self.learn(Kind.TOKEN, part)

    def learn_code(self, code: str) -> None:
        self._codes.add(as_bytes(code))

    def end_test(self) -> None:
        """Forget what only one test had."""
        self._passing = _Searched()
        self._codes = set[bytes]()

    def find(self, text: bytes) -> list[Found]:
        """Return what is secret in a text: of each kind the first."""
        places = dict[Kind, int]()
        for number in CODE.finditer(text):
            if number[1] in self._codes:
                places.setdefault(Kind.CODE, number.start(1))
        for searched in (self._lasting.by_end(), self._passing.by_end()):
            for end in _ends(text, searched):
                for form, kind in searched[end]:
                    place = text.find(form)
                    if place >= 0:
                        places[kind] = min(place, places.get(kind, place))
        first = min(places.values(), default=0)
        return [Found(kind, text.count(b"\n", 0, place) + 1, _before(text, first)) for kind, place in places.items()]


def _ends(text: bytes, searched: dict[bytes, set[tuple[bytes, Kind]]]) -> set[bytes]:
    if not searched:
        return set()
    pieces = (text[start : start + END_BYTES] for start in range(len(text) - END_BYTES + 1))
    return {piece for piece in pieces if piece in searched}


def _before(text: bytes, place: int) -> str:
    """Return what stands on a line before a place, none of which is secret."""
    return text[text.rfind(b"\n", 0, place) + 1 : place][-SHOWN_BYTES_MAX:].decode(errors="replace")
