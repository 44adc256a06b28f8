"""Measures of pictures and texts: pure functions of arrays, and the CLIP that judges.

`protocol` and `report` come here with what was drawn; nothing here knows of users' rows or lakes.
"""
