"""The method as the paper has it, as functions of arrays: profiling, personalized attention, tastes.

Nothing here loads a model or knows a pipeline; `encoders` and `drawing` build on it.
"""
