"""Device tests use the checking array module of tests/helpers."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))


@pytest.fixture
def device(monkeypatch):
    """The array module that ``device="gpu"`` finds where it would find CuPy."""
    from checking_module import CheckingModule, install

    module = CheckingModule()
    install(monkeypatch, module)
    return module


@pytest.fixture
def same_fronts(monkeypatch):
    """Fronts of one size on both devices, small enough for deep trees."""
    from public_calls import DEEP

    monkeypatch.setattr("bdg.methods.symbolic.default_settings", lambda backend: DEEP)
    monkeypatch.setattr("bdg.methods.symbolic.QUATERNION_CPU_SETTINGS", DEEP)


@pytest.fixture(autouse=True)
def array_calls(request, monkeypatch):
    """Quaternion fronts of the CPU by array calls, as on a device: compiled ones round differently."""
    if request.module.__name__.rpartition(".")[2] in (
        "test_checking_module",
        "test_majorana_device",
        "test_public_functions",
    ):
        monkeypatch.setattr("bdg.gpu.multifrontal.imaginary.quaternion.quaternion_kernels", lambda *_: None)
