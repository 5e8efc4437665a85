"""Free-text and coded runway surfaces reduced to a few names."""

import difflib
import re

PAVED = ("asphalt", "concrete", "mixed")
"""Surfaces with painted markings; "mixed" is part asphalt, part concrete."""

UNPAVED = ("gravel", "grass", "dirt", "snow", "metal")

SURFACES = (*PAVED, *UNPAVED, "water", "transparent", "unknown")
"""Every name a runway table may hold; "transparent" is X-Plane's runway without a surface of its own."""

_EXACT = {
    "pem": "mixed",  # partially concrete, asphalt or bitumen-bound macadam
    "pad": "concrete",
    "unk": "unknown",
    "u": "unknown",
    "": "unknown",
}
_PATTERNS = (  # the first that matches from the left of the text decides
    ("water", re.compile(r"^(?!.*(dry|frozen)).*(water|wtr|lake|seaplane)|^wat$")),
    ("mixed", re.compile(r"(asp|bit|tar).*con|con.*(asp|bit|tar)|part.*(asp|con)")),
    ("snow", re.compile(r"snow|\bice|^sno$")),
    ("gravel", re.compile(r"^(grv|gvl|gre|gravel|crushed|coral|cor\b|lat|pic|ston|rock|cinder|caliche|mac)")),
    ("grass", re.compile(r"^(grs|gras|turf|grass|sod|herb|veg|tu\b|gr\b|g\b)")),
    (
        "dirt",
        re.compile(
            r"^(dirt|earth|clay|cla|soil|sand|san|ground|mud|silt|loam|natural|graded|trtd|unpaved|dry|ter$)"
        ),
    ),
    ("concrete", re.compile(r"^(con|cement|pcc)")),
    ("asphalt", re.compile(r"^(as[pf]|apsh|ash|bit|tar|bm|black|pav|paved|tarmac|mac\b|hot|porous)")),
    ("metal", re.compile(r"^(met|steel|psp|alum|mat|wood)")),
)


def surface_of(text: str) -> str:
    """Surface name of a free-text description: "ASPH-G" -> "asphalt"; "unknown" if it says none."""
    word = text.strip().lower()
    if word in _EXACT:
        return _EXACT[word]
    return next((name for name, pattern in _PATTERNS if pattern.search(word)), "unknown")


def surface_expected(word: str) -> str | None:
    """What was expected of a table's cell instead of a word; None for a name of a surface."""
    if word in SURFACES:
        return None
    name = surface_of(word)
    near = [name] if name != "unknown" or not word else []
    near = near or difflib.get_close_matches(word.lower(), SURFACES, n=1)
    return f"one of {', '.join(SURFACES)}" + (f"; did you mean {near[0]}?" if near else "")


def surface_of_aptdat(code: int) -> str:
    """Surface name of an X-Plane surface code (apt.dat 1000 to 1200)."""
    if code == 1 or 20 <= code <= 38:
        return "asphalt"
    if code == 2 or 50 <= code <= 57:
        return "concrete"
    names = {3: "grass", 4: "dirt", 5: "gravel", 12: "dirt", 13: "water", 14: "snow", 15: "transparent"}
    return names.get(code, "unknown")
