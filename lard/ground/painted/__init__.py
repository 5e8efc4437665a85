"""The procedural ortho-photo: an airport and its land painted from the runway table."""
