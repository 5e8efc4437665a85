"""Runway detectors: training, prediction, scoring and certificates; the only package that imports torch."""
