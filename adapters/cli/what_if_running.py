"""whatif run and rerun: a snapshot under many policies, and the same again."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealbook.adapters.cli.output import print_json, print_line, progress, warn
from sealbook.adapters.cli.session import BadInput, Composition, JsonOption
from sealbook.adapters.cli.what_if_answers import check_line, print_report
from sealbook.adapters.cli.what_if_asking import Typed, asked_anew, asked_of
from sealbook.adapters.cli.what_if_snapshot import needed
from sealbook.adapters.whole_files import check_places, whole

if TYPE_CHECKING:
    from sealbook.adapters.replay.plan import Asked, Histories
    from sealbook.adapters.replay.report import Report
    from sealbook.adapters.replay.running import Run

PROCESSES_MAX = 256

SnapshotArgument = Annotated[Path, typer.Argument(metavar="SNAPSHOT", help="What whatif snapshot wrote.")]
ProcessesOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        max=PROCESSES_MAX,
        help="How many processes work; one alone uses up to eight processors. No figure depends on it.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files that a run writes besides its answer; None for those that nobody asked for."""

    csv: Path | None
    parquet: Path | None
    page: Path | None
    who: Path | None

    def check(self, *, inputs: Sequence[Path]) -> None:
        """Raise BadFile, BadInput where one cannot be written: before the work, not after it."""
        named = [path for path in (self.csv, self.parquet, self.page, self.who) if path is not None]
        check_places(named, inputs=inputs)
        if self.page is not None:
            _check_drawing()


def _check_drawing() -> None:
    """Raise BadInput where no charts can be drawn."""
    for package in ("altair", "vl_convert"):
        try:
            import_module(package)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with a package, it is found before the work)
            missing = isinstance(error, ModuleNotFoundError) and error.name == package
            first = str(error).partition("\n")[0]
            why = "which is not installed" if missing else f"which cannot be loaded ({first})"
            raise BadInput(f"--report needs {package}, {why}: install sealbook[reports]") from None


def register(whatif: typer.Typer, composition: Composition) -> None:
    version = composition.version

    @whatif.command()
    def run(
        snapshot: SnapshotArgument,
        policy: Annotated[
            list[str] | None,
            typer.Option("--policy", metavar="FILE", help="FILE, FILE#ID or a preset's id; may be repeated."),
        ] = None,
        grid: Annotated[
            str | None,
            typer.Option(metavar="GRID", help="Sweep fields, like validity=P1Y:P5Y:P6M,eligible_after=P3M:P18M:P3M."),
        ] = None,
        engine: Annotated[str, typer.Option(metavar="NAME", help="auto, bitmap, csr or reference.")] = "auto",
        processes: ProcessesOption = 1,
        sample: Annotated[
            str | None, typer.Option(metavar="SHARE", help="Replay a share of the customers, like 1%.")
        ] = None,
        seed: Annotated[int, typer.Option(metavar="N", min=0, max=2**63 - 1, help="For what is left to chance.")] = 0,
        exposed_after: Annotated[
            str, typer.Option(metavar="DAYS", help="After how long without a use a valid one is exposed.")
        ] = "P90D",
        fees: Annotated[
            list[str] | None,
            typer.Option(metavar="KIND=AMOUNT", help="What a reissue costs, or a JSON file; may be repeated."),
        ] = None,
        strict: Annotated[bool, typer.Option("--strict", help="Go no further if the self-check differs.")] = False,
        as_json: JsonOption = False,
        csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all figures as CSV.")] = None,
        parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all figures as Parquet.")] = None,
        report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with charts, HTML.")] = None,
        who: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the chains that change, Parquet.")] = None,
    ) -> None:
        """Replay a snapshot under other policies, after a check of how well the factual ones are replayed."""
        with needed():
            from sealbook.adapters.replay.snapshot import opened

            files = Files(csv=csv, parquet=parquet, page=report, who=who)
            typed = Typed(
                policies=policy or [],
                grid=grid,
                engine=engine,
                sample=sample,
                seed=seed,
                exposed_after=exposed_after,
                fees=fees or [],
            )
            files.check(inputs=[snapshot, *typed.files()])
            histories = opened(snapshot)
            made = _run(
                histories, asked_of(histories, typed), files, version=version, processes=processes, strict=strict
            )
            if as_json:
                print_json(made.as_json())
            else:
                print_report(made)

    @whatif.command()
    def rerun(
        report: Annotated[Path, typer.Argument(metavar="REPORT", help="What whatif run --json answered.")],
        snapshot: Annotated[Path, typer.Option(metavar="FILE", help="The snapshot that it was made of.")],
        processes: ProcessesOption = 1,
    ) -> None:
        """Compute a report anew and tell whether it is the same, bit by bit."""
        with needed():
            _rerun(report, snapshot, version=version, processes=processes)


def _run(
    histories: "Histories", asked: "Asked", files: Files, *, version: str, processes: int, strict: bool
) -> "Report":
    from sealbook.adapters.replay.plan import CannotReplay
    from sealbook.adapters.replay.running import Run

    try:
        run = Run(histories, asked, version=version, processes=processes)
        if strict:
            check = run.checked()
            if not check.agrees:
                warn(f"sealbook: refused: {check_line(check)}; without --strict, run goes on all the same")
                raise typer.Exit(1)
        return _written(run, files, list(asked.policies))
    except CannotReplay as cannot:
        raise BadInput(str(cannot)) from None


def _written(run: "Run", files: Files, labels: Sequence[str]) -> "Report":
    from sealbook.adapters.replay.tables import write_csv, write_parquet

    with ExitStack() as stack:
        named = None
        if files.who is not None:
            from sealbook.adapters.replay.who import listed

            named = stack.enter_context(listed(files.who, labels))
        with progress("replaying", "partitions") as advanced:
            report = run.report(advanced=advanced, named=named)
    if files.csv is not None:
        write_csv(report, files.csv)
    if files.parquet is not None:
        write_parquet(report, files.parquet)
    if files.page is not None:
        from sealbook.adapters.replay.page import page

        text = page(report)
        with whole(files.page) as file:
            file.write(text.encode())
    return report


def _rerun(path: Path, snapshot: Path, *, version: str, processes: int) -> None:
    from sealbook.adapters.replay.rerunning import first_difference, read_report
    from sealbook.adapters.replay.snapshot import opened

    before, histories = read_report(path), opened(snapshot)
    if before["made_of"].get("snapshot") != histories.digest:
        warn(f"sealbook: refused: {snapshot} is not the snapshot of {path}: its digest is {histories.digest}")
        raise typer.Exit(1)
    asked = asked_anew(histories, before, where=path)
    histories.verify()
    nothing = Files(csv=None, parquet=None, page=None, who=None)
    again = _run(histories, asked, nothing, version=version, processes=processes, strict=False)
    after = _read_back(again)
    # The figures are what is to be the same; who computed them is told.
    told, now = before.pop("sealbook"), after.pop("sealbook")
    different = first_difference(before, after)
    if different is not None:
        warn(f"sealbook: refused: {path} is not what Sealbook {now} computes: {different} differs")
        raise typer.Exit(1)
    by = "" if told == now else f", though Sealbook {told} computed it and now {now}"
    print_line(f"{path}: the same, bit by bit{by}.")


def _read_back(report: "Report") -> dict[str, object]:
    import json

    held: dict[str, object] = json.loads(report.written())
    return held
