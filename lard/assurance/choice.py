"""Which runways are explained: one of a picture, pictures balanced over zones and airports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lard.detect.data import Picture
from lard.errors import DataError
from lard.robust.subject import zone_of


def balanced(pictures: Sequence[Picture], most: int, seed: int, where: str) -> list[Picture]:
    """At most so many pictures with a required runway, as many of each zone, spread over its airports.

    DataError where none has one.
    """
    able = [picture for picture in pictures if (~picture.ignored).any()]
    if not able:
        raise DataError(
            f"{where}: none of its {len(pictures)} pictures has a required runway; name another split"
        )
    zones = sorted({zone_of(picture) for picture in able})
    queues = [
        _by_turns([one for one in able if zone_of(one) == zone], [seed, k]) for k, zone in enumerate(zones)
    ]
    chosen: list[Picture] = []
    for rank in range(max(map(len, queues))):
        for queue in queues:
            if rank < len(queue) and len(chosen) < most:
                chosen.append(queue[rank])
    return sorted(chosen, key=lambda picture: picture.image_id)


def _by_turns(pictures: Sequence[Picture], seed: Sequence[int]) -> list[Picture]:
    """Pictures in a random order in which airports take turns."""
    rng = np.random.default_rng(list(seed))
    by_airport: dict[str, list[Picture]] = {}
    for place in rng.permutation(len(pictures)):
        by_airport.setdefault(str(pictures[place].info.get("airport")), []).append(pictures[place])
    names = sorted(by_airport)
    order = [names[place] for place in rng.permutation(len(names))]
    longest = max(map(len, by_airport.values()))
    return [
        by_airport[name][rank] for rank in range(longest) for name in order if rank < len(by_airport[name])
    ]


def runway_of(picture: Picture, notes: Sequence[Mapping[str, Any]]) -> int:
    """The runway of a picture that is explained, by its place among the required ones.

    The target of the approach where it is required and stated, else the nearest, else the largest.
    """
    required = [note for note in notes if not note.get("iscrowd", 0)]
    sizes = np.prod(picture.boxes[~picture.ignored][:, 2:] - picture.boxes[~picture.ignored][:, :2], axis=1)

    def rank(place: int) -> tuple[bool, float, float]:
        slant_m = required[place].get("slant_m")
        return (
            not required[place].get("is_target", False),
            np.inf if slant_m is None else float(slant_m),
            -float(sizes[place]),
        )

    return min(range(len(required)), key=rank)
