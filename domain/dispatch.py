"""Dispatch: which function answers for which class of a union, found by one look-up instead of a chain of tests."""

from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_type_hints

Answer = TypeVar("Answer")


def by_class(
    union: Any,  # noqa: ANN401 (a union of classes, or one class)
    parameter: str,
    *functions: Callable[..., Answer],
) -> dict[type[Any], Callable[..., Answer]]:
    """Return, for each class of a union, the one function whose annotated parameter takes it.

    Raises TypeError, so at import, for a class that no function takes, or two do, or that is not of the union.
    """
    found: dict[type[Any], Callable[..., Answer]] = {}
    for function in functions:
        for cls in _classes(get_type_hints(function)[parameter]):
            if cls in found:
                raise TypeError(f"{cls.__name__} is taken twice")
            found[cls] = function
    if left := found.keys() ^ set(_classes(union)):
        raise TypeError(f"no function, or no place in the union: {', '.join(sorted(cls.__name__ for cls in left))}")
    return found


def _classes(union: Any) -> tuple[type[Any], ...]:  # noqa: ANN401 (as above)
    return get_args(union) or (union,)
