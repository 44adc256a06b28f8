"""The night as a Prefect flow, and the clock that starts it. Prefect is imported here only.

Only `cli` comes here.
"""
