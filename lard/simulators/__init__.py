"""Pictures from simulators of others: a shared core (core.py, process.py), then the sources."""
