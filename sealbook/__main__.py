"""The entry point: `sealbook`, or `python -m sealbook`."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealbook.settings import Settings

INTERRUPTED = 130


def main() -> None:
    """Run the command line; end with its exit code."""
    try:
        # Imported here, so that Ctrl-C while Python still loads is answered as at any later time.
        from sealbook import __version__
        from sealbook.adapters.cli import app
        from sealbook.wiring import Wiring

        for stream in (sys.stdout, sys.stderr):
            # A name that the terminal's encoding lacks is shown escaped, not refused.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a text stream of the interpreter
        sys.exit(app.run(app.build(Wiring(_settings()), version=__version__)))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _settings() -> "Settings":
    from pydantic import ValidationError

    from sealbook.settings import Settings

    try:
        return Settings()
    except ValidationError as bad:
        # Not the error's own words: they hold the value.
        names = ", ".join(sorted({f"SEALBOOK_{each['loc'][0]}".upper() for each in bad.errors()}))
        sys.stderr.write(
            f"sealbook: {names} cannot be used: docs/service.md and docs/operating.md say what may stand there\n"
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
