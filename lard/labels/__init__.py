"""Labels: every runway in view of every frame, measured and judged."""

from lard.labels.table import label_frames

__all__ = ["label_frames"]
