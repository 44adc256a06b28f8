"""The method as the paper has it, as functions of arrays: profiling, personalized attention, tastes.

Nothing here loads a model or knows a pipeline; `encoders` and `drawing` build on it. What needs torch
(`attention`) is imported from its own module.
"""

from fan_model.method.crowd_contrast import Crowd, CrowdPolicy
from fan_model.method.personalization import Personalization
from fan_model.method.profiling import ReferenceVectors, Selection
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.method.taste import Taste, blend_tastes, group_taste, style_taste, with_house_style

__all__ = [
    "Crowd",
    "CrowdPolicy",
    "Personalization",
    "ReferenceVectors",
    "Selection",
    "SelectionPolicy",
    "Taste",
    "blend_tastes",
    "group_taste",
    "style_taste",
    "with_house_style",
]
