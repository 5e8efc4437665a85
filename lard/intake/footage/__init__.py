"""Pictures made elsewhere (simulator screenshots, Earth Studio footage, video frames), matched to their poses."""
