"""The array functions that the package uses, with the kinds of arguments it gives them: NumPy, checking module, CuPy.

What the checking module allows has to exist on CuPy with the same meaning; on a GPU this is the proof.
"""

import numpy as np
import pytest
from checking_module import checking_backend

from bdg.gpu.device.backend import Backend


def _data(xp):
    rng = np.random.default_rng(2)
    stack = rng.standard_normal((3, 5, 5)) + 1j * rng.standard_normal((3, 5, 5))
    hermitian = stack + stack.conj().swapaxes(1, 2)
    large = rng.standard_normal((2, 40, 40))  # CuPy takes other routines for stacks above 32
    host = {
        "f": rng.standard_normal((3, 5, 5)),
        "c": stack,
        "h": hermitian,
        "s": large + large.swapaxes(1, 2),
        "single": rng.standard_normal((4, 6)).astype(np.float32),
        "tall": rng.standard_normal((9, 3)) + 1j * rng.standard_normal((9, 3)),
        "places": np.array([[2, 0], [1, 4], [3, 2]], np.int32),
        "rows": np.array([2, 0, 1]),
        "mask": np.array([True, False, True]),
        "planes": rng.standard_normal((4, 3, 5, 5)),
    }
    return {name: xp.asarray(array) for name, array in host.items()}


def _assigned(xp, shape, index, value, dtype=np.complex128):
    out = xp.zeros(shape, dtype)
    out[index] = value
    return out


def _added(xp, d):
    out = xp.zeros((3, 5, 5), np.complex128)
    out[d["rows"][:, None, None], d["places"][:, :, None], d["places"][:, None, :]] += d["c"][d["rows"]][:, :2, :2]
    return out


def _written(xp, d, function, *operands):
    out = xp.empty((3, 10, 5), operands[0].dtype)
    function(*operands, out=out[:, 5:])
    return out[:, 5:]


CASES = {
    "inv of a stack": lambda xp, d: xp.linalg.inv(d["c"]),
    "inv of a matrix": lambda xp, d: xp.linalg.inv(d["c"][0]),
    "inv of singles": lambda xp, d: xp.linalg.inv(d["planes"][0].astype(np.float32)),
    "eigvalsh of a stack": lambda xp, d: xp.linalg.eigvalsh(d["h"]),
    "eigvalsh of a large stack": lambda xp, d: xp.linalg.eigvalsh(d["s"]),
    "eigh of a stack": lambda xp, d: _rebuilt(xp, d["h"]),
    "eigh of a matrix": lambda xp, d: _rebuilt(xp, d["h"][0]),
    "eigh of a large stack": lambda xp, d: _rebuilt(xp, d["s"]),
    "svd of a stack": lambda xp, d: xp.linalg.svd(d["c"], compute_uv=False),
    "svd of a large stack": lambda xp, d: xp.linalg.svd(d["s"] + 1j * d["s"], compute_uv=False),
    "slogdet of a stack": lambda xp, d: xp.linalg.slogdet(d["c"])[0].prod() * xp.linalg.slogdet(d["c"])[1].sum(),
    "slogdet of a real stack": lambda xp, d: xp.linalg.slogdet(d["s"])[0] * xp.linalg.slogdet(d["s"])[1],
    "qr": lambda xp, d: xp.matmul(*xp.linalg.qr(d["tall"])),
    "norm of columns": lambda xp, d: xp.linalg.norm(d["tall"], axis=0),
    "matmul of stacks": lambda xp, d: xp.matmul(d["c"], d["h"]),
    "matmul of strided stacks": lambda xp, d: xp.matmul(d["c"][:, :3], d["h"][:, :, 2:]),
    "matmul of transposes": lambda xp, d: xp.matmul(d["c"].swapaxes(-1, -2), d["h"][:, 1:].swapaxes(1, 2).conj()),
    "matmul with a common operand": lambda xp, d: xp.matmul(d["planes"], d["f"][None]),
    "matmul of rows": lambda xp, d: xp.matmul(d["f"][:, :1], d["f"])[:, 0],
    "matmul into": lambda xp, d: xp.matmul(d["c"], d["h"], out=xp.empty((3, 5, 5), np.complex128)),
    "matmul of nothing": lambda xp, d: xp.matmul(d["c"][:, :, :0], d["c"][:, :0]),
    "2-d product, transposed": lambda xp, d: d["tall"].T @ d["tall"].conj(),
    "real pairs": lambda xp, d: xp.ascontiguousarray(d["tall"][:, 1:]).view(np.float64),
    "complex from pairs": lambda xp, d: d["single"].view(np.complex64),
    "read by index arrays": lambda xp, d: d["c"][
        d["rows"][:, None, None], d["places"][:, :, None], d["places"][:, None]
    ],
    "read behind a slice": lambda xp, d: d["planes"][:, d["rows"]],
    "written by index arrays": lambda xp, d: _assigned(xp, (3, 5), (d["rows"][:, None], d["places"]), d["c"][:, 0, :2]),
    "written behind a slice": lambda xp, d: _assigned(xp, (4, 6), (slice(None), d["rows"]), d["single"][:, :3]),
    "written with a number": lambda xp, d: _assigned(xp, (3,), d["rows"][:2], 1),
    "added by index arrays": _added,
    "chosen by a mask": lambda xp, d: d["c"][d["mask"]],
    "nonzero": lambda xp, d: xp.nonzero(~d["mask"])[0],
    "where": lambda xp, d: xp.where(d["f"] < 0, xp.where(d["f"] < -1, -0.5, 0.5), d["f"]),
    "triu of a stack": lambda xp, d: xp.triu(d["planes"]) + xp.triu(d["planes"], 1),
    "subtract into itself": lambda xp, d: xp.subtract(d["c"], d["h"], out=d["h"]),
    "conjugate into a part": lambda xp, d: _written(xp, d, xp.conjugate, d["c"].swapaxes(1, 2)),
    "negative into a part": lambda xp, d: _written(xp, d, xp.negative, d["f"]),
    "add into a part": lambda xp, d: _written(xp, d, xp.add, d["c"], d["c"].swapaxes(1, 2)),
    "stack of numbers": lambda xp, d: xp.stack([d["f"].sum(), d["f"].max()]),
    "concatenate planes": lambda xp, d: xp.concatenate([d["planes"][0], d["planes"][1]], axis=2),
    "maxima": lambda xp, d: abs(d["c"]).max((-1, -2)),
    "any and all": lambda xp, d: (abs(d["c"]) < 1).any(-1).all(),
    "sum in double precision": lambda xp, d: d["single"].sum(axis=0, dtype=np.float64),
    "powers": lambda xp, d: xp.sqrt((abs(d["tall"]) ** 2).sum(0)),
    "weak numbers": lambda xp, d: d["single"] + 1j * d["single"],
    "parts": lambda xp, d: d["c"].real + d["c"].imag * 2.0,
    "nan": lambda xp, d: xp.zeros(3) + np.nan,
    "identity": lambda xp, d: 1j * xp.eye(4) + xp.arange(4),
    "one of many": lambda xp, d: (
        complex(d["c"][0, 0, 0]) + float(d["f"][0, 0, 0]) + int(d["rows"][0]) + bool(d["mask"][0])
    ),
}


def _rebuilt(xp, matrices):
    values, vectors = xp.linalg.eigh(matrices)
    return xp.matmul(vectors * values[..., None, :].astype(vectors.dtype), vectors.swapaxes(-1, -2).conj())


def _check(xp, to_host, case):
    expected, found = CASES[case](np, _data(np)), CASES[case](xp, _data(xp))
    if hasattr(found, "dtype"):
        assert found.dtype == expected.dtype
        found = to_host(found)
    tolerance = 1e-4 if np.result_type(expected) in (np.float32, np.complex64) else 1e-11
    assert np.allclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    assert np.shape(found) == np.shape(expected)


@pytest.mark.parametrize("case", CASES)
def test_on_the_checking_module(case):
    _, module = checking_backend()
    _check(module, module.asnumpy, case)


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES)
def test_on_cupy(backend: Backend, case):
    if backend.device != "cpu":
        _check(backend.xp, backend.to_host, case)


@pytest.mark.gpu
def test_cupy_writes_nan_or_garbage_for_singular_matrices_but_never_a_good_inverse(backend: Backend):
    """What `Factor.contraction` relies on to refuse a factor."""
    xp = backend.xp
    if backend.device == "cpu":
        pytest.skip("NumPy raises")
    singular = xp.asarray(np.array([[[1.0, 1.0], [1.0, 1.0]], [[2.0, 0.0], [0.0, 4.0]]]))
    found = backend.to_host(xp.linalg.inv(singular))
    assert np.allclose(found[1], np.diag([0.5, 0.25]))
    product = backend.to_host(singular)[0] @ found[0]
    assert not np.allclose(product, np.eye(2), atol=1e-2)


def test_the_list_is_complete():
    """Every function that the checking module has is called above."""
    _, module = checking_backend()
    called = set()

    class Noting:
        def __init__(self, of, prefix=""):
            self._of, self._prefix = of, prefix

        def __getattr__(self, name):
            called.add(self._prefix + name)
            value = getattr(self._of, name)
            return Noting(value, "linalg.") if name == "linalg" else value

    for case in CASES.values():
        case(Noting(module), _data(module))
    here = {name for name in vars(module) if callable(vars(module)[name]) and not name.startswith("get_")}
    here |= {f"linalg.{name}" for name in vars(module.linalg)}
    assert here - called == {"isfinite", "empty_like"}  # nothing to say about these
