"""The registered model of the settings: registered, loaded, calibrated, told how to be served.

Whoever in `flows` draws, asks or looks ahead comes here for the model.
"""
