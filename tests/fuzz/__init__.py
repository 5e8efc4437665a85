"""Mutation fuzzing of every reader: valid seeds of our own writers, damaged and given to the commands."""
