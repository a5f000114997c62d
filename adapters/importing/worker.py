"""A process that imports one share of a file, seen from both ends."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import fields
from typing import Any

from sealbook.adapters.child_process import ChildProcess, heard, say
from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.eventstore.reach import reached
from sealbook.adapters.history_files import BadFile, Content
from sealbook.adapters.importing.task import ImportTask, task_of
from sealbook.application.importing import ImportResult, LineError, OtherOptions, Row
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.application.shares import Share
from sealbook.domain.errors import Refusal, Refused

MODULE = "sealbook.adapters.importing.worker"

Skip = Callable[[Row, str], None]


class Worker(ChildProcess):
    """A running process, and how far it is.

    It waits twice for a word: when its lines are checked, and when it has put a bad one aside. `failure`
    is why it has stopped short of a result.
    """

    def __init__(
        self, task: ImportTask, reach: Mapping[str, object], *, content: Content, share: Share, skip: Skip | None
    ) -> None:
        self.done = 0
        self.total: int | None = None
        self.checked = False
        self.result: ImportResult | None = None
        self.failure: Exception | None = None
        self._skip = skip
        super().__init__(
            MODULE,
            {
                "task": task.told(),
                "reach": reach,
                "digest": content.digest.hex(),
                "lines": content.lines,
                "share": share,
                "skips": skip is not None,
            },
        )

    @property
    def ended(self) -> bool:
        return self.result is not None or self.failure is not None

    def take(self) -> None:
        """Take what the process says next. Raises Unavailable or LedgerDamaged if it has given up or ended."""
        for message in self.hear():
            match message:
                case {"done": done, "total": total}:
                    self.done, self.total = done, total
                case {"bad": number, "text": text, "reason": reason} if self._skip is not None:
                    # Its fields are nobody's concern any more.
                    self._skip(Row(number, text.encode("latin-1"), {}), reason)
                    self.tell({})
                case {"checked": True}:
                    self.checked = True
                case {"result": result}:
                    self.checked, self.result = True, _result(result)
                case failed:
                    self.checked, self.failure = True, _failure(failed)


def _result(told: Mapping[str, Any]) -> ImportResult:
    return ImportResult(
        lines=told["lines"],
        resumed_at=told["resumed_at"],
        skipped=told["skipped"],
        events=told["events"],
        uses_refused=Counter[str](told["uses_refused"]),
        facts_not_applied=Counter[str](told["facts_not_applied"]),
    )


def _failure(told: Mapping[str, Any]) -> Exception:
    match told:
        case {"bad_line": number, "reason": reason}:
            return LineError(number, reason)
        case {"other_options": why}:
            return OtherOptions(why)
        case {"bad_file": why}:
            return BadFile(why)
        case {"refused": code, "message": message}:
            return Refused(Refusal(code), message)
        case _:
            return Unavailable("a worker of the import says what this version does not know")


# --- Within the process


def main() -> None:
    told = heard()
    if told is None:
        return
    try:
        result = _imported(told)
    except LineError as error:
        say({"bad_line": error.number, "reason": error.reason})
    except OtherOptions as error:
        say({"other_options": str(error)})
    except BadFile as error:
        say({"bad_file": str(error)})
    except Refused as error:
        say({"refused": error.code, "message": error.message})
    except Unavailable as error:
        say({"unavailable": str(error)})
    except LedgerDamaged as error:
        say({"damaged": str(error)})
    else:
        say({"result": {each.name: getattr(result, each.name) for each in fields(result)}})


def _imported(told: Mapping[str, Any]) -> ImportResult:
    task = task_of(told["task"])
    file = task.file()
    # The beginner has read the file for it already.
    file.known = Content(bytes.fromhex(told["digest"]), told["lines"])
    with closing(reached(told["reach"])) as store, seldom_collected():
        job = task.job(
            store,
            file,
            share=Share(*told["share"]),
            skip=_skip if told["skips"] else None,
            advanced=_advanced,
            checked=_checked,
        )
        return job.run()


def _advanced(done: int, total: int | None = None) -> None:
    say({"done": done, "total": total})


def _checked() -> None:
    say({"checked": True})
    _wait()


def _skip(row: Row, reason: str) -> None:
    # Written there before anything here counts the line as dealt with.
    say({"bad": row.number, "text": row.text.decode("latin-1"), "reason": reason})
    _wait()


def _wait() -> None:
    if heard() is None:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
