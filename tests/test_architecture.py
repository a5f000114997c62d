"""The architecture's rules, read from the source. Each is proved on a planted violation, then asked of the tree.

A rule takes the root of a tree and yields its violations, each as "file:line what is wrong".
"""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("domain", "projections", "application", "adapters", "sealbook")
"""Each may import itself and those before it."""
THIRD_PARTY = {"domain": {"pydantic"}, "projections": set[str](), "application": {"pydantic"}}
"""What a layer may import besides the standard library; the other layers, what the package declares."""
PURE = ("domain", "projections", "application")
STORES = ("sealbook.adapters.eventstore", "sealbook.adapters.postgres", "sealbook.adapters.read_models")
WORLDLY = re.compile(
    r"(datetime\.(datetime|date)\.(now|utcnow|today)|time|random(?!\.Random$)|secrets|os\.u?random|uuid\.uuid[1467])(\.|$)"
)
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "base", "common", "misc", "manager"}
BODY_LINES_MAX = {"adapters": 70, "sealbook": 70} | dict.fromkeys(PURE, 50)
BODY_LINES_MEDIAN_MAX = 8
MODULE_LINES_MAX = 320
SLEEP_SECONDS_MAX = 0.1
ROOT_ENTRIES = {
    *LAYERS,
    *(
        "tests",
        "docs",
        "benchmarks",
        "verify",
        "deploy",
        ".ci",
        ".gitignore",
        "LICENSE",
        "Makefile",
        "pyproject.toml",
        "requirements.lock",
    ),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md"),
}
UNWANTED = {
    "a registry's host name": re.compile(r"pypi\.org|python[h]osted\.org|npmjs\.(?:org|com)|docker\.io"),
    "a path of one machine": re.compile(r"(?<![\w.~$}*-])/(?:work|root|home|tmp)/"),
    "work that was left": re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b"),
    "a type error silenced without its code": re.compile(r"#\s*type:\s*ignore(?!\[)|#\s*pyright:\s*ignore(?!\[)"),
}
Rule = Callable[[Path], Iterator[str]]


class Module(NamedTuple):
    file: str
    tree: ast.Module
    lines: int

    @property
    def layer(self) -> str:
        return self.file.split("/", maxsplit=1)[0]

    def at(self, node: ast.AST, message: str) -> str:
        return f"{self.file}:{getattr(node, 'lineno', 1)} {message}"


# --- Reading


def modules(root: Path, *folders: str) -> Iterator[Module]:
    """Yield the Python files of the folders. The links to the layers are passed over: their files come once."""
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        file, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        yield Module(file, ast.parse(text, file), len(text.splitlines()))


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str, str]]:
    """Yield every import, also inside functions: the statement, the local name and what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, each.asname or each.name, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from ((node, each.asname or each.name, f"{source}.{each.name}") for each in node.names)


def dotted(node: ast.expr) -> str | None:
    """Return `a.b.c` for an expression that is written so."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return inner and f"{inner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def bodies(tree: ast.AST) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Yield every function with the lines of its body, docstring excluded."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            first, last = node.body[int(documented)], node.body[-1]
            yield node, (last.end_lineno or 0) - first.lineno + 1


def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def declared(root: Path) -> set[str]:
    """Return the import names of the declared packages: `psycopg[pool]` brings psycopg and psycopg_pool."""
    sections = project(root)["project"]
    extras = (names for extra, names in sections.get("optional-dependencies", {}).items() if extra != "dev")
    found = set[str]()
    for requirement in [*sections["dependencies"], *(name for names in extras for name in names)]:
        name, *parts = re.findall(r"[\w-]+", re.split(r"[<>=!~;]", requirement)[0])
        found |= {name, *(f"{name}-{part}" for part in parts)}
    # What a package is imported by is its name, without what says that it is for Python.
    return {name.replace("-", "_").removeprefix("python_") for name in found}


def tracked(root: Path) -> list[str]:
    """Return the files that git knows; of a tree without git, those that .gitignore does not name."""
    if (root / ".git").exists() and shutil.which("git"):
        listing = ("git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z")
        return [file for file in subprocess.check_output(listing, text=True).split("\0") if (root / file).is_file()]
    ignored = [line.rstrip("/") for line in (root / ".gitignore").read_text(encoding="utf-8").split()]
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [str(file) for file in files if not any(fnmatch(part, each) for part in file.parts for each in ignored)]


# --- Rules


def imports_point_one_way(root: Path) -> Iterator[str]:
    for module in modules(root, *LAYERS):
        for node, _, name in imports(module.tree):
            first, *rest = name.split(".")
            target = rest[0] if first == "sealbook" and rest and rest[0] in LAYERS else first
            if not first or (first in LAYERS and first != "sealbook"):
                yield module.at(node, f"imports {name}: say it in full, from sealbook on")
            elif target in LAYERS and LAYERS.index(target) > LAYERS.index(module.layer):
                yield module.at(node, f"imports {name}: {module.layer} is below {target}")


def layers_import_only_their_packages(root: Path) -> Iterator[str]:
    for module in modules(root, *LAYERS):
        allowed = {"sealbook"} | sys.stdlib_module_names | THIRD_PARTY.get(module.layer, declared(root))
        for node, _, name in imports(module.tree):
            if name.split(".")[0] not in allowed | set(LAYERS) | {""}:
                yield module.at(node, f"imports {name}, which {module.layer} may not")


def the_command_line_knows_no_store(root: Path) -> Iterator[str]:
    for module in modules(root, "adapters/cli"):
        for node, _, name in imports(module.tree):
            if f"{name}.".startswith(tuple(f"{store}." for store in STORES)):
                yield module.at(node, f"imports {name}: only sealbook/ wires a store")


def rules_know_no_clock_and_no_chance(root: Path) -> Iterator[str]:
    for module in modules(root, *PURE):
        origins = {local: name for _, local, name in imports(module.tree)}
        for statement, _, name in imports(module.tree):
            if WORLDLY.match(name):
                yield module.at(statement, f"imports {name}: times, ids and chance arrive as arguments")
        for node in ast.walk(module.tree):
            # A generator may be named, as what an argument is; who makes one chooses its seed.
            if isinstance(node, ast.Call) and origins.get(dotted(node.func) or "") == "random.Random":
                yield module.at(node, "makes a generator of chance: it arrives as an argument")
            used = dotted(node) if isinstance(node, ast.Attribute) else None
            local, _, rest = (used or "").partition(".")
            if local in origins and WORLDLY.match(f"{origins[local]}.{rest}"):
                yield module.at(node, f"uses {used}: times, ids and chance arrive as arguments")


def names_say_something(root: Path) -> Iterator[str]:
    for module in modules(root, *LAYERS, "tests", "benchmarks"):
        for part in Path(module.file).with_suffix("").parts:
            if part.lower() in EMPTY_NAMES:
                yield f"{module.file}:1 {part} says nothing of what is inside"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Manager"):
                yield module.at(node, f"{node.name} says nothing of what it does")


def functions_are_short(root: Path) -> Iterator[str]:
    lengths = list[int]()
    for module in modules(root, *LAYERS):
        if module.lines > MODULE_LINES_MAX:
            yield f"{module.file}:1 has {module.lines} lines, more than {MODULE_LINES_MAX}"
        for node, lines in bodies(module.tree):
            lengths.append(lines)
            if lines > BODY_LINES_MAX[module.layer]:
                yield module.at(node, f"{node.name} has {lines} lines, more than {BODY_LINES_MAX[module.layer]}")
    if lengths and median(lengths) > BODY_LINES_MEDIAN_MAX:
        yield f"domain:1 half of all functions have more than {BODY_LINES_MEDIAN_MAX} lines: {median(lengths)}"


def the_wheel_brings_every_file(root: Path) -> Iterator[str]:
    settings = project(root)["tool"]["setuptools"]
    files = [path.relative_to(root) for layer in LAYERS for path in (root / layer).rglob("*") if path.is_file()]
    files = [file for file in files if "__pycache__" not in file.parts and file.name not in LAYERS]
    packages = {("" if file.parts[0] == "sealbook" else "sealbook.") + ".".join(file.parts[:-1]) for file in files}
    for package in sorted(packages ^ set(settings["packages"])):
        yield f"pyproject.toml:1 packages: {package} is {'forgotten' if package in packages else 'not there'}"
    for file in files:
        if file.suffix != ".py" and not any(fnmatch(file.name, each) for each in settings["package-data"]["*"]):
            yield f"{file}:1 is not among the package's data"
        if not (root / file.parent / "__init__.py").exists():
            yield f"{file}:1 stands in a folder without __init__.py"


def links_lead_to_the_layers(root: Path) -> Iterator[str]:
    for layer in LAYERS[:-1]:
        link = root / "sealbook" / layer
        # Git without support for links writes a file that holds the target.
        target = str(link.readlink()) if link.is_symlink() else link.read_text() if link.is_file() else "nothing"
        if target != f"../{layer}":
            yield f"sealbook/{layer}:1 leads to {target}"


def the_lock_holds_every_package(root: Path) -> Iterator[str]:
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==\S+(?=(?: ;.*)? \\$)", lock, re.MULTILINE))
    sections = project(root)["project"]
    extras = (name for names in sections.get("optional-dependencies", {}).values() for name in names)
    for requirement in (*sections["dependencies"], *extras):
        name = re.split(r"[^\w.-]", requirement)[0]
        if name not in pinned:
            yield f"requirements.lock:1 lacks {name}: run make lock"
    for number, line in enumerate(lock.splitlines(), 1):
        if re.search(r"://|^-| @ ", line):
            yield f"requirements.lock:{number} names an address or an option"


def only_what_belongs_is_tracked(root: Path) -> Iterator[str]:
    for file in tracked(root):
        if file.split("/", maxsplit=1)[0] not in ROOT_ENTRIES:
            yield f"{file}:1 does not belong into the root"
        try:
            text = (root / file).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            yield from (f"{file}:{number} holds {what}" for what, unwanted in UNWANTED.items() if unwanted.search(line))


def every_test_asks_something(root: Path) -> Iterator[str]:
    for module in modules(root, "tests"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant | ast.Tuple):
                yield module.at(node, "asserts what is always so")
            elif isinstance(node, ast.Call) and dotted(node.func) == "time.sleep":
                seconds = node.args[0]
                if not isinstance(seconds, ast.Constant) or float(str(seconds.value)) > SLEEP_SECONDS_MAX:
                    yield module.at(node, "sleeps instead of waiting for what must come")
            elif isinstance(node, ast.Attribute) and dotted(node) in {"pytest.mark.skip", "pytest.mark.xfail"}:
                yield module.at(node, "is skipped or may fail wherever it runs")


# --- Planted violations

PYPROJECT = """
[project]
dependencies = ["pydantic>=2", "psycopg[pool]>=3"]
[tool.setuptools]
packages = ["sealbook", "sealbook.domain"]
package-data = { "*" = ["*.sql"] }
"""
LOCK = "pydantic==2.1 \\\n    --hash=sha256:0\npsycopg==3.1 ; os_name == 'nt' \\\n    --hash=sha256:0\n"
CLEAN = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": PYPROJECT,
    "requirements.lock": LOCK,
    "domain/__init__.py": "from datetime import datetime, time\nimport pydantic\ntime(0)\ndatetime.fromisoformat\n",
    "sealbook/__init__.py": "import psycopg_pool\n\nimport sealbook.domain\n",
    **{f"sealbook/{layer}": f"../{layer}" for layer in LAYERS[:-1]},
}
A_TYPE_ERROR = "x = 1  # type" + ": ignore\n"
PLANTED: list[tuple[Rule, str, str]] = [
    (imports_point_one_way, "domain/x.py", "from sealbook.projections import validity\n"),
    (imports_point_one_way, "domain/x.py", "def f():\n    import sealbook.application.ports\n"),
    (imports_point_one_way, "projections/x.py", "if TYPE_CHECKING:\n    from sealbook import application\n"),
    (imports_point_one_way, "adapters/x.py", "from sealbook import __version__\n"),
    (imports_point_one_way, "domain/x.py", "from . import values\n"),
    (imports_point_one_way, "domain/x.py", "from domain import values\n"),
    (layers_import_only_their_packages, "domain/x.py", "import psycopg\n"),
    (layers_import_only_their_packages, "projections/x.py", "from pydantic import BaseModel\n"),
    (layers_import_only_their_packages, "application/x.py", "def f():\n    from psycopg_pool import ConnectionPool\n"),
    (layers_import_only_their_packages, "adapters/x.py", "import hypothesis\n"),
    (the_command_line_knows_no_store, "adapters/cli/x.py", "from sealbook.adapters import postgres\n"),
    (the_command_line_knows_no_store, "adapters/cli/x.py", "import sealbook.adapters.eventstore.memory\n"),
    (rules_know_no_clock_and_no_chance, "domain/x.py", "from datetime import datetime as d\nd.now(UTC)\n"),
    (rules_know_no_clock_and_no_chance, "domain/x.py", "import datetime\nf(datetime.date.today)\n"),
    (rules_know_no_clock_and_no_chance, "projections/x.py", "from time import monotonic\n"),
    (rules_know_no_clock_and_no_chance, "application/x.py", "from random import Random\nRandom(7)\n"),
    (rules_know_no_clock_and_no_chance, "application/x.py", "from random import Random, choice\n"),
    (rules_know_no_clock_and_no_chance, "application/x.py", "from uuid import UUID, uuid4\n"),
    (rules_know_no_clock_and_no_chance, "application/x.py", "import os\nos.urandom(8)\n"),
    (names_say_something, "adapters/utils.py", ""),
    (names_say_something, "tests/common/x.py", ""),
    (names_say_something, "application/x.py", "class LedgerManager:\n    pass\n"),
    (functions_are_short, "domain/x.py", "def f():\n" + "    f()\n" * 51),
    (functions_are_short, "adapters/x.py", "class A:\n    def f(self):\n" + "        f()\n" * 71),
    (functions_are_short, "domain/x.py", "x = 1\n" * 321),
    (functions_are_short, "domain/x.py", "def f():\n" + "    f()\n" * 9),
    (the_wheel_brings_every_file, "domain/new/__init__.py", ""),
    (the_wheel_brings_every_file, "domain/table.csv", "a,b\n"),
    (the_wheel_brings_every_file, "domain/new/x.py", ""),
    (the_wheel_brings_every_file, "pyproject.toml", PYPROJECT.replace("sealbook.domain", "sealbook.gone")),
    (links_lead_to_the_layers, "sealbook/domain", "../projections"),
    (the_lock_holds_every_package, "pyproject.toml", PYPROJECT.replace("pydantic", "httpx")),
    (the_lock_holds_every_package, "requirements.lock", LOCK + "--index-url somewhere\n"),
    (only_what_belongs_is_tracked, "plan.md", "what to do next\n"),
    (only_what_belongs_is_tracked, "docs/x.md", "get it from py" + "pi.org\n"),
    (only_what_belongs_is_tracked, "docs/x.md", "see /ho" + "me/me/notes\n"),
    (only_what_belongs_is_tracked, "domain/x.py", "# TO" + "DO: finish\n"),
    (only_what_belongs_is_tracked, "domain/x.py", A_TYPE_ERROR),
    (every_test_asks_something, "tests/test_x.py", "assert True\n"),
    (every_test_asks_something, "tests/test_x.py", "time.sleep(2)\n"),
    (every_test_asks_something, "tests/test_x.py", "@pytest.mark.skip\ndef test(): ...\n"),
]
RULES = sorted({rule for rule, _, _ in PLANTED}, key=lambda rule: rule.__name__)


def plant(root: Path, files: dict[str, str]) -> None:
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("rule", "file", "text"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_violation_is_found(rule: Rule, file: str, text: str, tmp_path: Path) -> None:
    plant(tmp_path, CLEAN)
    assert list(rule(tmp_path)) == []

    plant(tmp_path, {file: text})
    assert len(list(rule(tmp_path))) >= 1


@pytest.mark.parametrize("rule", RULES)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(ROOT)) == []
