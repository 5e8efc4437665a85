"""Pictures from simulators of others: what each offers (core) and how several are run (driver, instance)."""
