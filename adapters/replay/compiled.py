"""Compiling kernels: to machine code on the first call, kept for later starts."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

try:
    import numba
    from numba.extending import register_jitable
except ImportError as error:  # pragma: no cover
    raise ImportError("a replay of many chains needs numba: install sealbook[whatif]") from error

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "forceinline": True,
    "no_cfunc_wrapper": True,
}
"""No references to arrays are counted, for kernels allocate none, and each is one piece of code: 20 times as fast.

Nor are there entries for C, which nobody calls: each would be compiled, with all the arrays that it takes apart.
"""


def compiled(function: Kernel) -> Kernel:
    """Return the function as one that is compiled into the kernels that call it; Python runs it as it stands."""
    # Entries for Python to the machine code of each would make compiling take a third longer.
    return register_jitable(**_OPTIONS)(function)


def kept(function: Kernel) -> Kernel:
    """Return the function compiled, the machine code kept beside the package, or else in the user's cache folder.

    What is kept goes by this function's own file: of the functions that it calls, those in other files must change
    only together with it, as they do in a release.
    """
    try:
        return cast("Kernel", numba.njit(**_OPTIONS, cache=True)(function))
    except RuntimeError:
        # Neither folder can be written to: it compiles at every start.
        return cast("Kernel", numba.njit(**_OPTIONS)(function))
