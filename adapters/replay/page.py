"""A report as one page: figures, bounds and charts, with nothing to load from anywhere and nothing that runs."""

from collections.abc import Iterable, Sequence
from html import escape
from io import StringIO
from typing import Any

from sealbook.adapters.replay.report import Figure, PolicyReport, Report

SHOWN = {
    "renewals": "renewals",
    "lapses": "lapses",
    "lockouts": "lock-outs",
    "customers_locked_out": "customers locked out",
    "reissues": "reissues",
    "cost": "cost of reissues",
    "valid_days": "valid days",
    "exposed_days": "exposed days",
    "still_valid": "still valid",
}
"""The metrics of the page and of the terminal, with their headings."""
POLICIES_IN_TABLES = 40
POLICIES_IN_CHARTS = 40
POLICIES_BY_MONTH = 5
_WIDTH = 640
_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; font-size: 13px; }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.warning { background: #fff3cd; padding: .7em 1em; }
small { color: #666; }
figure { margin: 1.5em 0; overflow-x: auto; }
"""


def page(report: Report) -> str:
    """Return the page. Raises ImportError without Altair."""
    parts = [
        "<h1>What if</h1>",
        _heading(report),
        *_check(report),
        *_behavior(report),
        "<h2>Totals</h2>",
        _table(report, difference=False),
        "<h2>Difference to the policies in force</h2>",
        _table(report, difference=True),
        *(f"<figure>{_svg(each)}</figure>" for each in _charts(report)),
        _source(report),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>What if</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def policies_shown(report: Report) -> list[PolicyReport]:
    """Return the policies worth a row: of a large sweep, the frontier and the policy in force alone."""
    if len(report.policies) <= POLICIES_IN_TABLES:
        return list(report.policies)
    kept = {*report.frontier, report.asked["in_force"]}
    return [each for each in report.policies if each.label in kept]


def _heading(report: Report) -> str:
    made_of = report.made_of
    whom = f"{_number(made_of['chains'])} chains of credentials of {_number(made_of['customers'])} customers"
    return f"<p>{whom}, as of {escape(str(made_of['as_of']))}.</p>"


def figure_text(figure: Figure, *, sign: bool = False) -> str:
    """Return a figure for people: the point with its bounds, or the bounds alone, or one number where all agree."""
    mark = "+," if sign else ","
    bounds = f"{figure.low:{mark}} to {figure.high:{mark}}"
    if figure.point is None:
        text = f"{figure.low:{mark}}" if figure.low == figure.high else bounds
    else:
        text = f"{figure.point:{mark}}" + ("" if figure.low == figure.high else f" ({bounds})")
    if figure.interval is None or figure.interval[0] == figure.interval[1]:
        return text
    low, high = figure.interval
    return f"{text} [{low:{mark}} to {high:{mark}}]"


def metrics_shown(report: Report) -> list[str]:
    """Return the metrics worth a column: cost only where fees were given."""
    return [name for name in SHOWN if name != "cost" or report.asked["fees"] is not None]


def _check(report: Report) -> list[str]:
    check = report.check
    said = (
        f"Replayed under the policies that were in force: {check.renewals_replayed:,} renewals and "
        f"{check.lapses_replayed:,} lapses; recorded were {check.renewals:,} and {check.lapses:,}."
    )
    if check.agrees:
        return [f"<p>{said} They agree for each chain.</p>"]
    differ = f"{check.differing:,} of {check.chains:,} chains differ: read what follows with that in mind."
    return [f'<p class="warning">{said} {differ}</p>']


def _behavior(report: Report) -> list[str]:
    bounds = (
        "the bounds say what it comes to if each whom only the policy locks out does what makes it least, or most: "
        "leaves, or returns at once; and whatever those would have done whom it would have kept and whose record ends "
        "with a refusal"
    )
    if report.fitted is None:
        return [
            f"<p>No refusal on record tells what people do after a lock-out, so there are bounds alone: {bounds}.</p>"
        ]
    share = float(str(report.fitted["returning"]))
    whom = f"Of {_number(report.fitted['refused'])} who were locked out in fact, {share:.1%} came back"
    median = report.fitted["median_delay_days"]
    late = "" if median is None else f", half of them within {median} days"
    return [f"<p>{whom}{late}. The figures suppose the same of others; {bounds}.</p>"]


def _table(report: Report, *, difference: bool) -> str:
    names = metrics_shown(report)
    policies = (*(() if difference else (report.in_force,)), *policies_shown(report))
    head = "".join(f"<th>{escape(text)}</th>" for text in ("policy", *(SHOWN[name] for name in names), "changed"))
    lines = [_line(each, names, difference=difference, marked=report.asked["in_force"]) for each in policies]
    return f"<table><tr>{head}</tr>\n{''.join(lines)}</table>"


def _line(each: PolicyReport, names: Sequence[str], *, difference: bool, marked: object) -> str:
    figures = each.difference if difference else each.totals
    label = f"{each.label} (in force)" if each.label == marked else each.label
    cells = (label, *(figure_text(figures[name], sign=difference) for name in names), f"{each.changed_chains:,}")
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"


def _source(report: Report) -> str:
    asked = report.asked
    whom = "all customers" if asked["sample"] is None else f"a sample of {asked['sample']:%}"
    exposed = f"exposed after {asked['exposed_after_days']} days without a use"
    lines = [
        f"Snapshot {report.made_of['snapshot']}, position {report.made_of['position'] or 'none'}.",
        f"Sealbook {report.sealbook}, seed {asked['seed']}, {exposed}, {whom}.",
        *(f"{each.label}: sha256 {each.digest}, {each.engine}." for each in policies_shown(report)),
    ]
    return "<p><small>" + "<br>\n".join(escape(line) for line in lines) + "</small></p>"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


# --- Charts


def _charts(report: Report) -> Iterable[Any]:
    policies = policies_shown(report)[:POLICIES_IN_CHARTS]
    yield _bounds(policies, "lockouts", "Lock-outs")
    yield _bounds(policies, "exposed_days", "Exposed days")
    yield _frontier(report)
    for metric in ("renewals", "lapses"):
        yield _months((report.in_force, *report.policies[:POLICIES_BY_MONTH]), metric)


def _bounds(policies: Sequence[PolicyReport], metric: str, title: str) -> Any:  # noqa: ANN401 (a chart)
    import altair as alt

    values = [
        {"policy": each.label, "low": figure.low, "shown": figure.shown, "high": figure.high}
        for each in policies
        for figure in (each.totals[metric],)
    ]
    rows = alt.Chart(_data(values)).encode(y=alt.Y("policy:N", sort=None, title=None))
    bars = rows.mark_rule(strokeWidth=3, opacity=0.4).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    return (bars + rows.mark_point(filled=True, size=60).encode(x="shown:Q")).properties(width=_WIDTH, title=title)


def _frontier(report: Report) -> Any:  # noqa: ANN401 (a chart)
    import altair as alt

    def value(each: PolicyReport, sort: str) -> dict[str, object]:
        return {
            "policy": each.label,
            "sort": sort,
            "lockouts": each.totals["lockouts"].shown,
            "exposed": each.totals["exposed_days"].shown,
        }

    best = set(report.frontier)
    values = [value(each, "frontier" if each.label in best else "other") for each in report.policies]
    values.append(value(report.in_force, "in force"))
    sorts = ["other", "frontier", "in force"]
    colors = alt.Scale(domain=sorts, range=["#bbb", "#1f77b4", "#d62728"])
    points = (
        alt.Chart(_data(values))
        .mark_point(filled=True, size=70)
        .encode(
            x=alt.X("exposed:Q", title="Exposed days"),
            y=alt.Y("lockouts:Q", title="Lock-outs"),
            color=alt.Color("sort:N", scale=colors, title=None),
            shape=alt.Shape("sort:N", scale=alt.Scale(domain=sorts), title=None),
        )
    )
    line = (
        alt.Chart(_data([each for each in values if each["sort"] == "frontier"]))
        .mark_line(color="#1f77b4", opacity=0.5)
        .encode(x="exposed:Q", y="lockouts:Q")
    )
    return (line + points).properties(width=_WIDTH, title="Lock-outs against exposure")


def _months(policies: Sequence[PolicyReport], metric: str) -> Any:  # noqa: ANN401 (a chart)
    import altair as alt

    values = [
        {"policy": each.label, "month": f"{month['month']}-01", "number": month[metric]}
        for each in policies
        for month in each.by_month
    ]
    return (
        alt.Chart(_data(values))
        .mark_line()
        .encode(
            x=alt.X("month:T", title=None),
            y=alt.Y("number:Q", title=metric.capitalize()),
            color=alt.Color("policy:N", sort=None, title=None),
        )
        .properties(width=_WIDTH, title=f"{metric.capitalize()} by month")
    )


def _data(values: list[dict[str, Any]]) -> Any:  # noqa: ANN401 (data of a chart)
    import altair as alt

    altair: Any = alt
    return altair.Data(values=values)


def _svg(chart: Any) -> str:  # noqa: ANN401 (a chart)
    drawn = StringIO()
    chart.save(drawn, format="svg")
    return drawn.getvalue()
