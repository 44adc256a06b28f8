"""Measures of pictures and texts: does the artwork keep its item, and does it look like the user's taste?"""
