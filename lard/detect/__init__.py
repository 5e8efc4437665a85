"""Runway detectors: networks, training, prediction and checkpoints."""
