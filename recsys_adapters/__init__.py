"""The edge of the system: logs, catalogues, prompt histories and recommendation lists, in the lake's words."""
