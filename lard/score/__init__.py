"""Scores of detections against ground truth; knows no network."""
