"""Arrow and Parquet as this project uses them: pyarrow has no types, so what comes of it is anything."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import Places

try:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.compute as pc  # type: ignore[import-untyped]
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]
except ImportError as error:  # pragma: no cover
    raise ImportError("a replay snapshot needs pyarrow: install sealbook[whatif]") from error

arrow: Any = pa
pq: Any = parquet
compute: Any = pc
_PARQUET = b"PAR1"
Table = Any
Column = Any


def is_parquet(path: Path) -> bool:
    """Tell whether a file begins as one of Parquet does, or is empty."""
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) in {b"", _PARQUET}


def flat(column: Column) -> NDArray[Any]:
    """Return the values of a column without nulls, its own memory where it is in one piece."""
    array: NDArray[Any] = whole(column).to_numpy(zero_copy_only=False)
    return array


def listed(column: Column) -> tuple[Places, NDArray[Any]]:
    """Return where the list of each row begins, one place more than rows, and the values of all."""
    array = whole(column)
    places = array.offsets.to_numpy().astype(np.int64)
    values: NDArray[Any] = array.values.to_numpy(zero_copy_only=False)
    return places - places[0], values[places[0] : places[-1]]


def lists(begin: Places, values: NDArray[Any] | Column) -> Column:
    """Return a column of lists, which does not copy the values."""
    return arrow.ListArray.from_arrays(arrow.array(begin.astype(np.int32)), arrow.array(values))


def words(column: Column) -> NDArray[np.uint64]:
    """Return the bits of a column of fixed size, a row of words each."""
    array = whole(column)
    width = array.type.byte_width // 8
    held = np.frombuffer(array.buffers()[1], np.uint64) if len(array) else np.zeros(0, np.uint64)
    return held[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)


def bits(rows: NDArray[np.uint64]) -> Column:
    """Return a column of fixed size of rows of words."""
    kind = arrow.binary(rows.shape[1] * 8)
    return arrow.FixedSizeBinaryArray.from_buffers(kind, len(rows), [None, arrow.py_buffer(np.ascontiguousarray(rows))])


def whole(column: Column) -> Column:
    """Return a column in one piece."""
    if not isinstance(column, arrow.ChunkedArray):
        return column
    return (
        column.chunk(0)
        if column.num_chunks == 1
        else arrow.concat_arrays(column.chunks or [arrow.array([], column.type)])
    )
