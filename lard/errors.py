"""The project's errors: every message says where, what was found, what was expected and the remedy."""


class LardError(Exception):
    """Root of all errors a user can cause and mend; the CLI prints the message and exits with 2."""


class SpecError(LardError):
    """An ODD specification or a parameter file is malformed or contradicts itself."""


class AirportError(LardError):
    """A runway database, an airport or a runway is unknown, malformed or inconsistent."""


class DataError(LardError):
    """A table, dataset, label or image is missing, malformed or inconsistent."""


class SourceError(LardError):
    """An imagery source cannot deliver: ground tiles missing, simulator absent, server failing."""


class ModelError(LardError):
    """A checkpoint, model name or training run is unusable."""
