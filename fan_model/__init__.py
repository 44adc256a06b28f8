"""Preference-aware personalization inside the text encoder, and the pictures drawn with it."""
