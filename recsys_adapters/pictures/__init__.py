"""Items' own pictures: where they may be read from, how large they may be, and how bytes become pixels.

A catalogue's deliverer is trusted with neither other files of this machine nor its network: only places that
the settings name are read, and nothing is decoded before its size is known. `flows` reads all pictures here.
"""
