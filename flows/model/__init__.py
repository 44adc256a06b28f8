"""The registered model of the settings: registered, loaded, calibrated, told how to be served.

Stages and commands come here for the model.
"""
