"""Datasets that people have, in the layouts they come in, as dataset folders of this project."""
