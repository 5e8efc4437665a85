"""One short script per dvc stage: reads params.yaml and fixed paths, calls the library."""
