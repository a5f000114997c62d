"""kinds: what the kinds of credential are, side by side. It needs no ledger."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from sealbook.adapters.cli.output import print_json, print_line, print_table
from sealbook.adapters.cli.session import BadInput, Composition, JsonOption
from sealbook.domain.kind_document import KindBook, Words
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import Kind
from sealbook.projections.kind_catalogue import Cell, Row, kind_catalogue, kinds_for

IN_FULL_ONLY = {
    *("steps_again", "documents", "application", "notices", "services", "name_bound", "suspension_max"),
    *("app_version_min", "stores", "on_device", "issuer", "version"),
}
"""What does not help to tell the kinds apart; it is shown with one kind."""
TO_CHOOSE = {
    "summary",
    "eligible",
    "membership",
    "scope",
    "purposes",
    "issue_fee",
    "renewal_fee",
    "validity",
    "details_url",
}
"""What one chooses by, once the purpose is known (domain rules R08, R20)."""
SOURCE = Words(
    en="Read from a public guide; not the bank's own terms.",
    ko="공개 안내서를 옮긴 것으로, 은행의 공식 약관이 아닙니다.",
)
NOTHING = "-"


class Language(StrEnum):
    """In which language people are answered; programs are always answered in both."""

    EN = "en"
    KO = "ko"
    BOTH = "both"

    @property
    def chosen(self) -> "list[Language]":
        return [Language.EN, Language.KO] if self is Language.BOTH else [self]


def register(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def kinds(
        kind: Annotated[Kind | None, typer.Argument(help="Show this one in full.")] = None,
        purpose: Annotated[
            str | None, typer.Option("--for", metavar="PURPOSE", help="Only those that serve a purpose, to choose by.")
        ] = None,
        language: Annotated[Language, typer.Option("--lang", help="Language of the answer.")] = Language.EN,
        as_json: JsonOption = False,
    ) -> None:
        """Compare the kinds of credential: who may hold them, for what, at which fee."""
        book, policies = composition.kinds(), preset_policies()
        chosen = _chosen(book, kind, purpose)
        if as_json:
            for one in chosen:
                print_json(_in_full(book, policies, one))
            return
        rows = [row for row in kind_catalogue(book, policies) if _is_shown(row, kind, purpose)]
        for spoken in language.chosen:
            _print_catalogue(book, chosen, rows, spoken)


def _chosen(book: KindBook, kind: Kind | None, purpose: str | None) -> tuple[Kind, ...]:
    if kind is not None and purpose is not None:
        raise BadInput("name a kind or a purpose, not both")
    if kind is not None:
        return (book.kind(kind).kind,)
    if purpose is None:
        return tuple(book.kinds)
    if purpose not in book.bank.purposes:
        raise BadInput(f"{purpose!r} is not a purpose: write one of {', '.join(book.bank.purposes)}")
    return kinds_for(book, purpose)


def _is_shown(row: Row, kind: Kind | None, purpose: str | None) -> bool:
    if kind is not None:
        return True
    return row.attribute in TO_CHOOSE if purpose is not None else row.attribute not in IN_FULL_ONLY


def _in_full(book: KindBook, policies: Mapping[str, RenewalPolicy], kind: Kind) -> dict[str, object]:
    document = book.kind(kind)
    return {
        **document.model_dump(mode="json"),
        "purposes": [purpose for purpose in book.bank.purposes if book.serves(document, purpose)],
        "renewal_policy": policies.get(document.policy or ""),
    }


def _print_catalogue(book: KindBook, kinds: Sequence[Kind], rows: Sequence[Row], language: Language) -> None:
    names = [_said(book.kind(kind).name, language) for kind in kinds]
    print_table(
        ["", *names],
        [[_said(row.label, language), *(_lines(row.cells[kind], language) for kind in kinds)] for row in rows],
    )
    print_line()
    print_line(_said(SOURCE, language))


def _lines(cell: Cell, language: Language) -> str:
    told = [_said(words, language) for words in cell]
    return "\n".join(f"- {line}" for line in told) if len(told) > 1 else "".join(told) or NOTHING


def _said(words: Words, language: Language) -> str:
    return words.ko if language is Language.KO else words.en
