"""HTML reports in one file each: ODD compliance and leaderboard; no network, no clock."""

from lard.report.compliance import compliance_html, write_compliance
from lard.report.leaderboard import (
    Board,
    Entry,
    Evidence,
    read_entries,
    with_sequences,
    write_boards,
    write_leaderboard,
)
from lard.report.robustness import with_robustness

__all__ = [
    "Board",
    "Entry",
    "Evidence",
    "compliance_html",
    "read_entries",
    "with_robustness",
    "with_sequences",
    "write_boards",
    "write_compliance",
    "write_leaderboard",
]
