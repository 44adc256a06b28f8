"""What goes over the wire: bodies and rows of requests, answers and refusals.

Only `service` comes here: its endpoints, and the model that MLflow loads.
"""
