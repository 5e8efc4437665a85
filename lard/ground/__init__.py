"""The ground seen from above: what a ground folder holds, and the terrain below it."""
