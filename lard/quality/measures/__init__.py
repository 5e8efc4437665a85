"""Measurements on pictures, runways and poses, apart from what made them; none knows a dataset."""
