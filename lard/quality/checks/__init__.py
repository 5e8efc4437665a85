"""The requirements, one module per subject; `lard.quality.catalogue` imports them all."""
