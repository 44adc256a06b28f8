"""What the command line does beside the stages of the night, one module per command."""
