"""From values per user to what can be said: intervals, comparisons, findings.

Only `report` and `measures` come here, with numbers; no picture or text does.
"""
