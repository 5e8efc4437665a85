"""What perturbations can do to a detector: attacks, certificates, conformal boxes."""
