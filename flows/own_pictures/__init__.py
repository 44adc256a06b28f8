"""Items' own pictures in a night: looked at for changes, and what artworks begin as."""
