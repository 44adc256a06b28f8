"""The model as others call it: registered in MLflow, or over HTTP.

What is drawn is decided in `drawing`; here requests are read, queued and answered.
"""
