"""Items' own pictures as nights last saw them: what artworks begin as, and what speaks for users."""
