"""Names looked up by other names in the columns of a table: a dictionary of millions without its objects."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

import polars as pl


class Lookup(Mapping[str, str]):
    """Text by text; of a key that comes several times the last value counts, at its first place."""

    def __init__(self, keys: pl.Series, values: pl.Series) -> None:
        pairs = pl.DataFrame([keys.alias("key").cast(pl.String), values.alias("value").cast(pl.String)])
        pairs = pairs.drop_nulls()
        if pairs["key"].is_duplicated().any():
            pairs = pairs.group_by("key", maintain_order=True).agg(pl.col("value").last())
        self.pairs = pairs
        self._order = pairs["key"].arg_sort()
        self._sorted = pairs["key"].gather(self._order)

    def __getitem__(self, key: object) -> str:
        if isinstance(key, str) and len(self._sorted):
            place = bisect_left(self._sorted, key)
            if place < len(self._sorted) and self._sorted[place] == key:
                return str(self.pairs["value"][int(self._order[place])])
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.pairs["key"])

    def __len__(self) -> int:
        return len(self.pairs)

    def inverse(self) -> Lookup:
        """Keys by their values."""
        return Lookup(self.pairs["value"], self.pairs["key"])
