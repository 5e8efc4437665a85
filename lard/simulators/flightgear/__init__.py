"""FlightGear as a source of pictures."""
