"""The gallery: pages on which people see what was drawn, of whose taste, beside what it would be without.

The stage that publishes comes here, and the command that writes it anew.
"""
