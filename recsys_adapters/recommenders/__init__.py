"""Recommenders that decide which items each user gets pictures of, where no list is given.

Arrow tables in, Arrow tables out; only `flows.stages` comes here, while it ingests.
"""
