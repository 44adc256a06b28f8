"""From values per user to what can be said: intervals, comparisons, findings."""
