"""X-Plane as a source of pictures."""
