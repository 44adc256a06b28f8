"""The five stages of a night, as plain functions: each reads storage, calls the packages, writes storage.

`schedule` orders them; commands, tests and workers call them directly, in whole or in part.
"""
