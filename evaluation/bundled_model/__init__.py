"""What the bundled model can do: figures, and sheets of unpicked pictures.

The commands that make and calibrate the model come here.
"""
