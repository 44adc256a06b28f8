"""The five stages of a night, as plain functions: each reads storage, calls the packages, writes storage.

`schedule` orders them; a test or a worker calls them directly.
"""
