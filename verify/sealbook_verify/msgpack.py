"""msgpack, as far as bundles and bodies use it: nil, booleans, integers, text, bytes and arrays.

Every value has one form here, the shortest. The reader takes any form; then what it read is written
again, and must be the same bytes. So no byte of a file can be changed without changing what it says.
"""

from typing import TypeAlias

from sealbook_verify.verdict import BadInput

Value: TypeAlias = "bool | int | str | bytes | list[Value] | None"

DEPTH_MAX = 12
_CONSTANTS: dict[int, bool | None] = {0xC0: None, 0xC2: False, 0xC3: True}
# By the first byte: how many bytes a number, or the length of what follows, has.
_UNSIGNED = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_SIGNED = {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_TEXT = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAY = {0xDC: 2, 0xDD: 4}


def decode(data: bytes) -> Value:
    """Return the one value that `data` holds. Raises BadInput for anything but its canonical form."""
    value, end = _read(data, 0, 0)
    if end != len(data):
        raise BadInput(f"{len(data) - end} bytes follow where the data should end")
    if encode(value) != data:
        raise BadInput("the data is not in its canonical form: the shortest encoding of each value")
    return value


def encode(value: Value) -> bytes:
    """Return the shortest encoding of a value."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return _number(value)
        case str():
            raw = value.encode()
            return _head(len(raw), 0xA0, 32, _TEXT) + raw
        case bytes():
            return _head(len(value), 0, 0, _BYTES) + value
        case list():
            return _head(len(value), 0x90, 16, _ARRAY) + b"".join(map(encode, value))


def _number(value: int) -> bytes:
    if -32 <= value <= 0x7F:
        return value.to_bytes(1, signed=True)
    forms = _UNSIGNED if value >= 0 else _SIGNED
    for head, width in forms.items():
        limit = 1 << (8 * width)
        if -limit // 2 <= value < limit:
            return bytes([head]) + value.to_bytes(width, signed=value < 0)
    raise ValueError("a number has at most 64 bits")


def _head(length: int, short: int, short_end: int, forms: dict[int, int]) -> bytes:
    """Return the first bytes of what has a length: in one byte below `short_end`, else by the forms."""
    if length < short_end:
        return bytes([short | length])
    head, width = next((head, width) for head, width in forms.items() if length < 1 << (8 * width))
    return bytes([head]) + length.to_bytes(width)


def _read(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    """Return the value that begins at `at`, and where it ends."""
    if depth > DEPTH_MAX:
        raise BadInput(f"the data is nested deeper than {DEPTH_MAX} arrays")
    head, at = _take(data, at, 1)[0], at + 1
    if head < 0x80:
        return head, at
    if head >= 0xE0:
        return head - 0x100, at
    if head in _CONSTANTS:
        return _CONSTANTS[head], at
    if head in _UNSIGNED or head in _SIGNED:
        width = _UNSIGNED.get(head) or _SIGNED[head]
        return int.from_bytes(_take(data, at, width), signed=head in _SIGNED), at + width
    return _read_long(data, at, head, depth)


def _read_long(data: bytes, at: int, head: int, depth: int) -> tuple[Value, int]:
    if 0x90 <= head <= 0x9F:
        return _read_array(data, at, head & 0x0F, depth)
    if 0xA0 <= head <= 0xBF:
        return _text(_take(data, at, head & 0x1F)), at + (head & 0x1F)
    width = _BYTES.get(head) or _TEXT.get(head) or _ARRAY.get(head)
    if width is None:
        raise BadInput(f"byte {at - 1} begins a value of a type that is not used here (0x{head:02x})")
    length, at = int.from_bytes(_take(data, at, width)), at + width
    if head in _ARRAY:
        return _read_array(data, at, length, depth)
    raw = _take(data, at, length)
    return raw if head in _BYTES else _text(raw), at + length


def _read_array(data: bytes, at: int, length: int, depth: int) -> tuple[Value, int]:
    values: list[Value] = []
    for _ in range(length):
        value, at = _read(data, at, depth + 1)
        values.append(value)
    return values, at


def _take(data: bytes, at: int, length: int) -> bytes:
    taken = data[at : at + length]
    if len(taken) != length:
        raise BadInput("the data ends before its last value is whole")
    return taken


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadInput("the data holds text that is not UTF-8") from error
