"""Pictures made elsewhere (screenshots of simulators, Earth Studio, video), matched to their poses."""
