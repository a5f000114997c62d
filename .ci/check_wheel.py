"""Check that the installed wheel is complete: python -I check_wheel.py WHEEL CHECKOUT.

The list of packages in pyproject.toml is explicit, so a forgotten one would be missing without a word.
"""

import importlib
import sys
from pathlib import Path
from zipfile import ZipFile

PACKAGE = "sealbook"
LAYERS = ("domain", "projections", "application", "adapters")
NOT_PACKAGED = {"__pycache__"}


def files_of_checkout(root: Path) -> set[str]:
    """Return every source and data file, by the path that it has in the wheel."""
    own = {path.relative_to(root).as_posix() for path in root.glob(f"{PACKAGE}/*") if path.is_file()}
    layers = {
        f"{PACKAGE}/{path.relative_to(root).as_posix()}"
        for layer in LAYERS
        for path in (root / layer).rglob("*")
        if path.is_file() and not NOT_PACKAGED & set(path.parts)
    }
    return own | layers


def files_of_wheel(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def main(wheel: Path, checkout: Path) -> int:
    there, expected = files_of_wheel(wheel), files_of_checkout(checkout)
    for file in sorted(expected - there):
        print(f"missing in the wheel: {file}")
    for file in sorted(there - expected):
        print(f"only in the wheel: {file}")
    modules = sorted(module_name(file) for file in there if file.endswith(".py"))
    for name in modules:
        module = importlib.import_module(name)
        if not Path(str(module.__file__)).is_relative_to(sys.prefix):
            print(f"not imported from the wheel: {name} from {module.__file__}")
            return 1
    print(f"{len(there)} files in the wheel, {len(modules)} modules imported")
    return 0 if there == expected else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
