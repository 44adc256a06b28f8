"""The registered model of the settings: registered, loaded, calibrated, told how to be served."""
