"""Pictures made elsewhere (screenshots, Earth Studio footage, video frames), matched to their poses."""
