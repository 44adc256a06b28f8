"""Care of the store: checks, compaction, erasure, and what was known at a past time.

Only `flows.commands`, `flows.keeping` and `flows.stages` come here; of the stages the one that publishes, to
delete pictures of users who opted out.
"""
