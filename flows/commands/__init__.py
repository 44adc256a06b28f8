"""What the command line does beside the stages of the night, one module per command.

The command line comes here, and the schedule for the care that follows a night; no stage does.
"""
