"""What is asked of a workspace, read only: SQL, why a picture is as it is, search, copies of pictures.

The command line comes here, and nothing here writes but copies for whoever asks.
"""
