"""The answer of whatif run for people: the self-check, what was fitted, and a table with bounds."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sealbook.adapters.cli.output import counted, print_line, print_table

if TYPE_CHECKING:
    from sealbook.adapters.replay.report import Figure, PolicyReport, Report
    from sealbook.adapters.replay.self_check import SelfCheck


def check_line(check: "SelfCheck") -> str:
    """Say how far a replay of the policies in force differs from the record."""
    replayed = f"{counted(check.renewals_replayed, 'renewal')} and {counted(check.lapses_replayed, 'lapse')}"
    recorded = f"{check.renewals:,} and {check.lapses:,} are on record"
    if check.agrees:
        return f"factual replay of {counted(check.chains, 'chain')}: {replayed}, the same as recorded for each"
    if not check.renewals and not check.lapses:
        return f"factual replay of {counted(check.chains, 'chain')}: {replayed}; none is on record to compare with"
    where = f"{check.differing:,} of {counted(check.chains, 'chain')} differ" if check.differing else "months differ"
    return f"factual replay: {replayed}, but {recorded}; {where}"


def print_report(report: "Report") -> None:
    from sealbook.adapters.replay.page import policies_shown

    line = check_line(report.check)
    print_line(f"{line[0].upper()}{line[1:]}.")
    if not report.check.agrees and (report.check.renewals or report.check.lapses):
        print_line("Read the figures below with that difference in mind.")
    print_line(_fitted_line(report))
    if report.asked["sample"] is not None:
        share = float(str(report.asked["sample"]))
        print_line(
            f"A sample of {share:.2%} of the customers, scaled to all; in brackets what it leaves open, at 95 %."
        )
    print_line(_engines_line(report))
    print_line()
    shown = policies_shown(report)
    if len(shown) < len(report.policies):
        print_line(f"Of {len(report.policies):,} policies, those that no other beats in lock-outs and exposure:")
    _print_table(report, shown)


def _fitted_line(report: "Report") -> str:
    if report.fitted is None:
        return "No refusal on record tells what people do after a lock-out: the figures are bounds."
    fitted = report.fitted
    share = float(str(fitted["returning"]))
    median = fitted["median_delay_days"]
    late = "" if median is None else f", half of them within {median} days"
    return (
        f"Of {fitted['refused']:,} locked out in fact, {share:.1%} came back{late}: so the figures suppose of others."
    )


def _engines_line(report: "Report") -> str:
    used = Counter(each.engine for each in report.policies)
    return (
        "Replayed by "
        + ", ".join(f"the {name} engine: {count:,}" for name, count in sorted(used.items(), key=str))
        + "."
    )


def _print_table(report: "Report", policies: "Sequence[PolicyReport]") -> None:
    from sealbook.adapters.replay.page import SHOWN, metrics_shown

    names = metrics_shown(report)
    columns = ("policy", *(SHOWN[name].replace(" ", "\n") for name in names), "changed")
    rows = [
        (
            _label(each, report),
            *(_cell(each.totals[name]) for name in names),
            f"{each.changed_chains:,}",
        )
        for each in (report.in_force, *policies)
    ]
    print_table(columns, rows, title=f"As of {report.made_of['as_of']}")


def _label(each: "PolicyReport", report: "Report") -> str:
    return f"{each.label} *" if each.label == report.asked["in_force"] else each.label


def _cell(figure: "Figure") -> str:
    """Return a figure in lines: the point, the bounds below it, what the sample leaves open below those."""
    bounds = f"{figure.low:,}..{figure.high:,}"
    lines = [bounds if figure.point is None and figure.low != figure.high else f"{figure.shown:,}"]
    if figure.point is not None and figure.low != figure.high:
        lines.append(bounds)
    if figure.interval is not None:
        lines.append(f"[{figure.interval[0]:,}..{figure.interval[1]:,}]")
    return "\n".join(lines)
