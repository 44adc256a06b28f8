"""Before the first night: a settings file for data of one's own, and a look ahead at a night.

Only `cli` comes here, before there is a workspace or beside one.
"""
