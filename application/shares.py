"""Which customers of a file one writer imports, when several share it."""

from hashlib import sha256
from typing import NamedTuple
from zlib import crc32


class Share(NamedTuple):
    """Share `number`, from 0 on, of a file that `of` writers import: by default all of it.

    All lines of a customer are in one share, so their order is the file's. Which share that is says the
    name of the customer alone: every run finds the same.
    """

    number: int = 0
    of: int = 1

    def has(self, customer: str) -> bool:
        # Half of a character has no encoding, and is a bad line in some share.
        return crc32(customer.encode("utf-8", "surrogatepass")) % self.of == self.number

    def digest(self, content: bytes) -> bytes:
        """Return what the import of this share is known by: the file's own digest if it is the whole."""
        return content if self.of == 1 else sha256(content + b"share %d of %d" % (self.number, self.of)).digest()


WHOLE = Share()
