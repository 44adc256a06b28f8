"""From a request to a picture: what may be asked, how it is drawn, and the fingerprint of what it is made of.

Nights, services and evaluations all draw through this room.
"""
