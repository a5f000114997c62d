"""Dispatch: every class of a union has one function that takes it, or nothing is imported."""

import pytest

from sealbook.domain.dispatch import by_class


class Apple:
    pass


class Pear:
    pass


class Stone:
    pass


def eat(fruit: Apple | Pear) -> str:
    return f"ate {type(fruit).__name__}"


def peel(fruit: Pear) -> str:
    return f"peeled {type(fruit).__name__}"


def throw(fruit: Stone) -> str:
    return f"threw {type(fruit).__name__}"


def test_each_class_of_a_union_has_the_function_that_takes_it() -> None:
    assert by_class(Apple | Pear | Stone, "fruit", eat, throw) == {Apple: eat, Pear: eat, Stone: throw}


def test_a_single_class_is_a_union_of_one() -> None:
    assert by_class(Pear, "fruit", peel) == {Pear: peel}


def test_a_class_that_no_function_takes_is_refused() -> None:
    with pytest.raises(TypeError, match="Stone"):
        by_class(Apple | Pear | Stone, "fruit", eat)


def test_a_class_that_two_functions_take_is_refused() -> None:
    with pytest.raises(TypeError, match="Pear is taken twice"):
        by_class(Apple | Pear, "fruit", eat, peel)


def test_a_function_for_what_is_not_of_the_union_is_refused() -> None:
    with pytest.raises(TypeError, match="Stone"):
        by_class(Apple | Pear, "fruit", eat, throw)
