"""Exported files brought into one form and compared with the tables they came from."""

from lard.quality.exports.compare import compared
from lard.quality.exports.demand import demand_true
from lard.quality.exports.model import Exported
from lard.quality.exports.read import find_exports, read_export

__all__ = ["Exported", "compared", "demand_true", "find_exports", "read_export"]
