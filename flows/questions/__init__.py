"""What is asked of a workspace, read only: SQL, why a picture is as it is, search, copies of pictures.

Only `cli` and `commands` come here: a picture on request takes the taste that a search takes. What is
written are copies for whoever asks, and the index that is searched.
"""
