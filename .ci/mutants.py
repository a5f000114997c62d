"""Print, as the table of docs/mutation.md, what a mutation run found: `mutants.py <folder of the run> <mutmut>`."""

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

BEFORE_WORDS = {"Refused": 1, "TypeError": 0, "ValueError": 0}
"""How many arguments come before the words of a refusal or an error."""
NOTICED = {"killed", "timeout"}
COLUMNS = ("killed", "timeout", "survived", "no tests", "words")


class _Wordless(ast.NodeTransformer):
    """Takes the words out of refusals and errors."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in BEFORE_WORDS:
            node.args = node.args[: BEFORE_WORDS[node.func.id]]
        return node


def found(folder: Path, mutmut: str) -> dict[str, str]:
    """Return how each mutant fared, by name."""
    command = [mutmut, "results", "--all", "true"]
    lines = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines)


@cache
def functions(folder: Path, module: str) -> dict[str, str]:
    """Return each function of a mutated module, without the words of its refusals, and without its name."""
    path = folder / "mutants" / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    defined: dict[str, str] = {}
    for node in ast.walk(_Wordless().visit(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.FunctionDef):
            name, node.name = node.name, ""
            defined[name] = ast.dump(node)
    return defined


def only_in_words(folder: Path, mutant: str) -> bool:
    """Tell whether a mutant differs from the original only in what a refusal or an error says."""
    module, _, name = mutant.rpartition(".")
    code = functions(folder, module)
    return code[name] == code[name.rpartition("__mutmut_")[0] + "__mutmut_orig"]


def rate(counts: Counter[str]) -> str:
    noticed = sum(counts[status] for status in NOTICED)
    return f"{noticed} of {counts.total()} = {noticed / max(counts.total(), 1):.1%}"


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def main(folder: Path, mutmut: str) -> None:
    modules: dict[str, Counter[str]] = {}
    rules, words, left = Counter[str](), Counter[str](), list[str]()
    for mutant, status in found(folder, mutmut).items():
        if status == "not checked":
            continue
        wording = only_in_words(folder, mutant)
        (words if wording else rules)[status] += 1
        shown = "words" if wording and status == "survived" else status
        modules.setdefault(mutant.rpartition(".")[0], Counter())[shown] += 1
        if shown not in NOTICED | {"words"}:
            left.append(f"{status:10} {mutant}")
    print(row("module", "mutants", *COLUMNS))
    print(row("---", *("---:" for _ in ("mutants", *COLUMNS))))
    for module, counts in sorted(modules.items()):
        print(row(f"`{module.removeprefix('sealbook.domain.')}`", counts.total(), *(counts[each] for each in COLUMNS)))
    print("\n".join(("", *left, "")))
    print(f"noticed, all: {rate(rules + words)}; without the words of refusals: {rate(rules)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
