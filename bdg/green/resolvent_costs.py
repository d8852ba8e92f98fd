"""What the resolvent is expected to take at many z: factors, solved columns, selected inverses, or dense inverses."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option, Rates
from bdg.gpu.cost.shared import Shared
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.device.memory import available_bytes
from bdg.gpu.multifrontal import Symbolic
from bdg.gpu.multifrontal.factors.predicted_memory import MemoryPrediction, predict_memory
from bdg.green import resolvent
from bdg.methods import options
from bdg.methods.imaginary import form_of
from bdg.methods.symbolic import whole_symbolic

_PLAIN, _REFINED = 1.1, 2.0  # solves for a column of the Green function, far from the real axis and near it
_FAR = 1e-3  # of the norm of H: imaginary part of z from which solves hardly need refinement
_AROUND = 1.1  # seconds of a factor with values put in and elements taken out, relative to its fronts
_BLOCK = 512 << 20  # bytes of the columns that are solved at a time
_LINK = 1.2e10  # bytes a second between host and device, for factors that are kept on the host


def form_at(hamiltonian: BdGHamiltonian, z: complex, backend: Backend) -> tuple[str, bool]:
    """Return the form of the factors that `Resolvent` takes at z, one of `bdg.gpu.cost.model.FORMS`.

    And whether they are neither symmetric nor Hermitian.
    """
    system, is_complex = hamiltonian.system, hamiltonian.dtype.kind == "c"

    def operations() -> float:
        whole = whole_symbolic(system, backend)
        return whole.factor_flops(complex, is_complex) + whole.selected_inverse_flops(complex, is_complex)

    if resolvent.takes_imaginary_form(system.norbs, z, operations):
        form = form_of(hamiltonian, backend)
        return form.name, form.general
    return ("complex", is_complex) if z.imag else ("complex" if is_complex else "real", False)


def multifrontal_option(
    hamiltonian: BdGHamiltonian,
    backend: Backend,
    points: np.ndarray,
    columns: int,
    share: float = 0.0,
    *,
    method: str = "multifrontal",
    results: float = 0.0,
) -> Option:
    """Return what factors at the complex energies ``points`` take, with solved columns and a selected inverse each.

    Parameters
    ----------
    columns : int
        Solved at each energy.
    share : float
        Operations of the selected inverse relative to that of all sites; 0: none is made.
    results : float
        Bytes of what is kept of all energies.
    """
    forms = [form_at(hamiltonian, complex(z), backend) for z in points]
    rates, needed, notes = rates_of(backend), 0.0, []
    seconds, at_points = cost.analysis_seconds(rates, hamiltonian.system.n_sites), []
    norm = float(abs(hamiltonian.matrix).sum(axis=1).max())
    solves = _PLAIN if abs(np.imag(points)).min(initial=np.inf) > _FAR * norm else _REFINED
    for kind in dict.fromkeys(forms):
        how, times = (hamiltonian, backend, *kind, columns, share), float(forms.count(kind))
        one = functools.partial(_seconds, how=how, solves=solves, times=times)
        held, moved, note = _held(*how)
        pieces = cost.pieces_of(points.size, _symbolic(hamiltonian, backend, kind[0])[0])
        at_points.append(cost.shared_part(one, rates, pieces))
        seconds += at_points[-1].seconds + times * moved / _LINK
        needed = max(needed, held)
        notes.append(note)
    if points.size > 1:
        at_points = [dataclasses.replace(part, bytes=needed + results) for part in at_points]
    note = "".join(dict.fromkeys(notes))
    return options.option_of(method, backend, seconds, needed + results, note, at_points)


def dense_inverse_option(hamiltonian: BdGHamiltonian, backend: Backend, n_points: int, results: float = 0.0) -> Option:
    """Return what inverting dense matrices takes: 2 n^3 complex multiply-adds each, and a product that checks it."""
    rates, dimension = rates_of(backend), hamiltonian.shape[0]
    operations = 4 * 2.0 * 2.0 * float(dimension) ** 3
    seconds = n_points * (operations / (0.7 * rates.gemm["c16"]) + 20 * rates.call)
    needed = dense_inverse_bytes(dimension)
    at_points = Shared(seconds, n_points, bytes=needed)
    return options.option_of("dense", backend, seconds, needed + results, shared=[at_points])


def dense_inverse_bytes(dimension: int) -> float:
    """Return the bytes of a complex matrix, its inverse and what both take on their way."""
    return 4 * 16.0 * dimension**2


def columns_at_once(dimension: int) -> int:
    """Return how many columns are solved together."""
    return int(np.clip(_BLOCK // (128 * dimension), 4, 128))


def _symbolic(hamiltonian: BdGHamiltonian, backend: Backend, form: str) -> tuple[Symbolic, int]:
    """Return the symbolic factorisation of a form, and the matrices that its factors consist of."""
    imaginary = form_of(hamiltonian, backend)
    if form == imaginary.name:
        return imaginary.symbolic, imaginary.planes
    return whole_symbolic(hamiltonian.system, backend), 1


def _seconds(
    rates: Rates, how: tuple[BdGHamiltonian, Backend, str, bool, int, float], solves: float, times: float
) -> float:
    """Return the seconds at some energies, in a form, with columns and a share of the inverse."""
    hamiltonian, backend, form, general, columns, share = how
    symbolic, _ = _symbolic(hamiltonian, backend, form)
    dimension = hamiltonian.shape[0]
    seconds = cost.factor_seconds(rates, symbolic, form, general)
    if columns:
        block = min(columns, columns_at_once(dimension))
        seconds += solves * (columns / block) * cost.solve_seconds(rates, symbolic, form, block)
        step = cost.product_seconds(rates, hamiltonian.matrix.nnz, dimension, columns, complex)
        seconds += step + 10 * 16.0 * dimension * columns / rates.copy
    if share:
        seconds += cost.inverse_seconds(rates, symbolic, form, general, share)
    return times * _AROUND * seconds


def _held(
    hamiltonian: BdGHamiltonian, backend: Backend, form: str, general: bool, columns: int, share: float
) -> tuple[float, float, str]:
    """Return the bytes of the device, those that move between host and device, and a note about them."""
    (symbolic, planes), dimension = _symbolic(hamiltonian, backend, form), hamiltonian.shape[0]
    number = complex if form == "complex" else float
    found = predict_memory(symbolic, number, general, on_device=backend.device != "cpu")
    solved = 8 * 16.0 * dimension * min(columns, columns_at_once(dimension))
    peak = max(found.factor_peak, found.selected_inverse_peak if share else 0.0)
    needed = max(planes * peak, planes * found.kept + solved) + cost.index_bytes(symbolic)
    if form in ("complex", "real") and found.factor_peak > available_bytes(backend) and host_holds(found, backend):
        work = max(found.factor_work, found.selected_inverse_work if share else 0.0)
        moved = found.kept * (1 + (2 * _REFINED if columns else 0) + (1 if share else 0))
        return max(work, solved) + cost.index_bytes(symbolic), moved, "factors in host memory"
    return needed, 0.0, ""


def host_holds(found: MemoryPrediction, backend: Backend) -> bool:
    """Return True where a GPU may keep the factors in host memory."""
    return backend.device != "cpu" and found.kept < available_bytes(select_backend("cpu"))
