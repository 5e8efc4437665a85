"""Aerial imagery of others: tile servers, MBTiles and rasters made into ground folders."""
