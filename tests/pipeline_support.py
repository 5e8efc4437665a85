"""What end-to-end runs of a few frames share."""

# too few frames and airports for statements about distributions; every check of a label or a picture stays
STATISTICS_OF_A_FEW_FRAMES = {
    "C01": {"min_per_bin": 0, "min_share_of_mean": 0.0},
    "C02": {"min_share": 0.0},
    "C04": {"relative_tolerance": 1.0},
    "R01": {"max_distance": 1.0, "min_p": 0.0},
    "R02": {"max_correlation": 1.0},
    "S02": {"max_distance": 1.0, "min_p": 0.0},
}
