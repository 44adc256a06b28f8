"""What people read of an evaluation: tables and figures."""
