"""The registered model of the settings: registered, loaded, told how to be served."""
