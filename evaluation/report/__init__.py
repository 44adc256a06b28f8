"""What people read of an evaluation: a page with tables and figures, and numbers by name."""
