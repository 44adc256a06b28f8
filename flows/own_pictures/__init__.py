"""Items' own pictures in a night: looked at for changes, begun with, or acting as references."""
