"""Measures of pictures and texts: pure functions of arrays, and the CLIP that judges."""
