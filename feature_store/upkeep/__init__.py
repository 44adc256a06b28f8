"""Care of the store: checks, compaction, erasure, and what was known at a past time.

Commands come here, never a stage of the night.
"""
