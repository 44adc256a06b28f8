"""The lake: the connection, its transactions and locks, and files that are written whole or not at all.

Every other room of the store stands on this one; nights and commands open it. It makes the tables as
`schemas` has them; what they mean is known in `reader_views` alone: what readers see, which events count.
"""
