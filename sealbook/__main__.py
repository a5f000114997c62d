"""The entry point: `sealbook`, or `python -m sealbook`."""

import sys

from sealbook import __version__
from sealbook.adapters.cli import app
from sealbook.settings import Settings
from sealbook.wiring import Wiring


def main() -> None:
    sys.exit(app.run(app.build(Wiring(Settings()), version=__version__)))


if __name__ == "__main__":
    main()
