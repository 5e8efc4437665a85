"""Calibration: what a source's pictures say about its runways, camera and altitude datum."""
