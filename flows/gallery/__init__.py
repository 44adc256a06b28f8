"""The gallery: pages on which people see what was drawn, of whose taste, beside what it would be without."""
