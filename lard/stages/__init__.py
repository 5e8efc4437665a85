"""One short script per dvc stage, of the repository and of the projects of `lard init`.

Each reads params.yaml and fixed paths, and calls the library.
"""
