"""Heights of the ground: terrain models, and the surface that runways are cut and filled into."""
