"""What the bundled model can do: figures, and sheets of unpicked pictures.

Only `flows.commands` and `flows.model` come here: to show what it can, and to train an
adapter for it.
"""
