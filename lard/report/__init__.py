"""HTML reports in one file each: ODD compliance and leaderboard; no network, no clock."""

from lard.report.compliance import compliance_html, write_compliance
from lard.report.leaderboard import Entry, Evidence, read_entries, write_leaderboard

__all__ = ["Entry", "Evidence", "compliance_html", "read_entries", "write_compliance", "write_leaderboard"]
