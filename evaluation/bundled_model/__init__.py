"""What the bundled model can do: figures, and sheets of unpicked pictures."""
