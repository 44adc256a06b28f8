"""What goes over the wire: bodies and rows of requests, answers and refusals.

Endpoints come in, and the model that MLflow loads.
"""
