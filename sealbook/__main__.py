"""The entry point: `sealbook`, or `python -m sealbook`."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line; end with its exit code."""
    try:
        # Imported here, so that Ctrl-C while Python still loads is answered as at any later time.
        from sealbook import __version__
        from sealbook.adapters.cli import app
        from sealbook.settings import Settings
        from sealbook.wiring import Wiring

        for stream in (sys.stdout, sys.stderr):
            # A name that the terminal's encoding lacks is shown escaped, not refused.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a text stream of the interpreter
        sys.exit(app.run(app.build(Wiring(Settings()), version=__version__)))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
