"""What people read of an evaluation: a page with tables and figures, and numbers by name.

Only `flows.commands` comes here, with results that were measured; nothing is measured here.
"""
