"""Masks of runways: how right they are, what no perturbation can do to them, what some do."""
