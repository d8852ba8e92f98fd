"""Nested-dissection multifrontal factorisation of z - H: solves, selected inverse, inertia and determinant."""

from bdg.gpu.multifrontal.analysis.pattern import BlockMatrix, SitePattern
from bdg.gpu.multifrontal.analysis.settings import CPU_SETTINGS, GPU_SETTINGS, FrontSettings, default_settings
from bdg.gpu.multifrontal.analysis.symbolic import Separators, Symbolic, analyse, split_to_fit
from bdg.gpu.multifrontal.factors.factor import Factor
from bdg.gpu.multifrontal.factors.predicted_memory import MemoryPrediction, predict_memory
from bdg.gpu.multifrontal.factors.selected_inverse import Restriction, SelectedInverse
from bdg.gpu.multifrontal.factors.sign_count import SignCount
from bdg.gpu.multifrontal.trust import FactorError

__all__ = [
    "CPU_SETTINGS",
    "GPU_SETTINGS",
    "BlockMatrix",
    "Factor",
    "FactorError",
    "FrontSettings",
    "MemoryPrediction",
    "Restriction",
    "SelectedInverse",
    "Separators",
    "SignCount",
    "SitePattern",
    "Symbolic",
    "analyse",
    "default_settings",
    "predict_memory",
    "split_to_fit",
]
