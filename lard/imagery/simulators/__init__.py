"""Pictures from simulators of others: a shared core (core.py, journal.py, process.py), then the sources."""
