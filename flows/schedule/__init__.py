"""The night as a Prefect flow, and the clock that starts it. Prefect is imported here only.

The command line comes here.
"""
