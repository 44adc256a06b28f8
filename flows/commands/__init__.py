"""What the command line does beside the stages of the night, one module per command.

Only `cli`, `schedule` and `keeping` come here: `schedule` for evaluations, `keeping` to check copies and
restore them.
"""
