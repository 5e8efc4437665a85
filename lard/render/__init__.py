"""Perspective views of the ground under light, weather and lens."""
