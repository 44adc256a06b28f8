"""The edge of the system: logs, catalogues, prompts and recommendation lists, in the lake's words."""
