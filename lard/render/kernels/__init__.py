"""Compiled inner loops of the renderer: ray meets surface, footprint, filtered texture, air, noise.

Rays are met with the surface exactly at the corners of squares of pixels; in between, 1 / t, x / t and y / t
are linear in pixels as on any plane, and a square whose middle disagrees with that is divided, down to single
pixels met exactly. The derivative of the map from pixels to the ground gives the parallelogram that a pixel
sees; the texture is averaged along its long axis, row by row (or column by column) of texels, with exact
shares of the rows at both ends, on the pyramid level whose texels suit its short axis.

layout: the view's record and what the vectors hold; rays: pixel to surface; air: haze, fog, sky; lattice:
points of squares and whether they make a plane; lanes: texels as vectors of their channels; texels: one level
along footprints; footprint: levels and shadows; squares, pixels: filled at once, or one by one; drawing:
tiles and bands; film: exposure and noise; steps, march: the first crossing of rays with terrain.
"""
