"""Heights of the ground: terrain models, and the surface that runways are cut and filled into."""

SHIPPED = "shipped"
"""What stands for the shipped relief where a terrain model is asked for."""
