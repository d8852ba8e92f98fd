r"""A conducting shell that is not uniform: a network of patches and links on a sphere, with its inductances.

The sphere is cut into triangles (patches); neighbouring ones are linked across their common edge. Currents conserve
charge by themselves if the current through the edge from vertex i to j is ``g_i - g_j``. The voltage around each vertex
is that of the flux through its cell:

.. math:: \sum_j z_{ij} (g_i - g_j) = i \omega \Big(\sum_k M_{ik} g_k + \Phi_i\Big),
          \qquad M = W \sum_l Y_l \frac{\mu_0\, l (l + 1)}{r\, (D_l + l)} Y_l^T W

with the impedances z of the links, cells of area W, spherical harmonics Y and ``D_l = [x j_l(x)]'/j_l(x)`` of the core
at ``x = (1 + i) r/delta`` (l + 1 without core). Harmonics beyond those that the vertices resolve have the inductance of
the last. Uniform links, ``z = Z (cot a + cot b)/2`` of the angles opposite to the edge, give the closed form.

Unknowns are the currents of the links of a spanning tree of the largest impedances, from which those of all others
follow: no sum then holds an impedance beside a larger one that could hide it, and open links drop out.

References: E. H. Brandt, Phys. Rev. B 72, 024529 (2005) (currents by a stream function); J. R. Wait, K. P. Spies,
Can. J. Phys. 47, 2087 (1969).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts load on use
import scipy.linalg
import scipy.sparse.csgraph
from scipy.constants import mu_0

from bdg.base.arguments import real_array, require_seed
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.lattices.arguments import non_negative_number, positive_number, whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DEEP = 1e4  # |x| from which the core is a plane for all harmonics


@dataclass(frozen=True, eq=False, kw_only=True)
class ShellResponse(Result):
    """Response of a network on a sphere to a uniform field along an axis.

    Attributes
    ----------
    real, imaginary : float
        chi' and chi'' along the axis; a perfect diamagnet has -1.
    link_currents : array (E,)
        Complex amplitudes in A of each link, for a peak field of 1 A/m.
    frequency_Hz : float
    """

    real: float = quantity("chi' along the axis")
    imaginary: float = quantity("chi'' along the axis")
    link_currents: np.ndarray = quantity("currents of the links (E,) in a peak field of 1 A/m", "A")
    frequency_Hz: float = quantity("frequency", "Hz")  # noqa: N815 - the unit

    @property
    def susceptibility(self) -> complex:
        """``chi' + i chi''``."""
        return complex(self.real, self.imaginary)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the sorted currents of the links."""
        from bdg.plots.instruments import plot_curves

        sizes = np.sort(abs(self.link_currents))
        return plot_curves(np.arange(sizes.size), {"currents": sizes}, ("link, sorted", "|I|/H (m)"), ax, marker="-")


@dataclass(frozen=True)
class ShellNetwork:
    """Patches and links on a sphere.

    Attributes
    ----------
    radius_m : float
        > 0.
    subdivisions : int
        Of the triangles of an icosahedron, 1 to 4: 80, 320, 1280, 5120 patches.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from bdg.electrodynamics import ShellNetwork
    >>> shell = ShellNetwork(1e-3, subdivisions=2)
    >>> print(len(shell.patches), len(shell.links))
    320 480
    >>> response = shell.response(1e-5, 20e3)  # 10 uOhm a square, at 20 kHz
    >>> print(round(response.real, 2), round(response.imaginary, 2))  # a perfect diamagnet has -1
    -0.97 0.18
    """

    radius_m: float
    subdivisions: int = 3

    def __post_init__(self) -> None:
        positive_number("radius_m", self.radius_m, "m")
        whole_number("subdivisions", self.subdivisions, 1, 4)

    @cached_property
    def _mesh(self) -> tuple[np.ndarray, np.ndarray]:
        return _icosphere(self.subdivisions)

    @cached_property
    def patches(self) -> np.ndarray:
        """Directions (F, 3) of the centres of the patches."""
        vertices, faces = self._mesh
        middle = vertices[faces].mean(axis=1)
        return middle / np.linalg.norm(middle, axis=1, keepdims=True)

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vertices (E, 2), patches on both sides (E, 2), and (cot a + cot b)/2 of each link."""
        vertices, faces = self._mesh
        corners = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
        ends = np.sort(faces[:, corners[:, :2]].reshape(-1, 2), axis=1)
        apex = vertices[faces[:, corners[:, 2]].reshape(-1)]
        u, v = vertices[ends[:, 0]] - apex, vertices[ends[:, 1]] - apex
        cotangent = (u * v).sum(axis=1) / np.linalg.norm(np.cross(u, v), axis=1)
        links, inverse = np.unique(ends, axis=0, return_inverse=True)
        order = np.argsort(inverse.ravel(), kind="stable").reshape(-1, 2)
        return links, order // 3, cotangent[order].mean(axis=1)

    @property
    def links(self) -> np.ndarray:
        """The two patches that each link joins (E, 2)."""
        return self._edges[1]

    def random_links(
        self, fraction: float, good_ohm: complex, other_ohm: complex, seed: int | None = None
    ) -> np.ndarray:
        """Return sheet impedances (E,) of which a random fraction has one value, the others another.

        Parameters
        ----------
        fraction : float
            From 0 to 1.
        good_ohm, other_ohm : complex
            Per square.
        seed : int, optional
            None means 0.

        Returns
        -------
        array (E,)

        Raises
        ------
        TypeError, ValueError
            If the fraction is out of range.
        """
        share = non_negative_number("fraction", fraction)
        if share > 1:
            raise ValueError(f"fraction must be from 0 to 1; got {fraction!r}")
        drawn = np.random.default_rng(require_seed(seed)).random(len(self.links))
        return np.where(drawn < share, good_ohm, other_ohm)

    def response(
        self,
        sheet_impedance_ohm: Any,
        frequency_Hz: float,
        *,
        resistivity_ohm_m: float = math.inf,
        axis: tuple[float, float, float] = (0.0, 0.0, 1.0),
    ) -> ShellResponse:
        """Return chi and the currents of all links in a uniform field.

        Parameters
        ----------
        sheet_impedance_ohm : complex, or array (E,)
            Of each link, per square, real part >= 0; ``-i w mu_0 lambda^2/d`` where superconducting (fields vary as
            exp(-i w t)), infinity where open.
        frequency_Hz : float
            > 0.
        resistivity_ohm_m : float
            Of the core; infinity for none.
        axis : (x, y, z)
            Of the field.

        Returns
        -------
        ShellResponse

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of range.
        """
        start = time.perf_counter()
        frequency = positive_number("frequency_Hz", frequency_Hz, "Hz")
        resistivity = positive_number("resistivity_ohm_m", resistivity_ohm_m, "ohm m", infinite=True)
        along = _require_axis(axis)
        omega = 2 * math.pi * frequency
        impedances = self._impedances(sheet_impedance_ohm)
        x = (1 + 1j) * self.radius_m * math.sqrt(mu_0 * omega / (2 * resistivity))
        slopes = _interior_slopes(x, self._orders.max() + 1)
        inductance = self._inductances(slopes)
        cosine = self._mesh[0] @ along
        inside = 3 / (1 + slopes[1])  # field at the poles that the core leaves
        flux = mu_0 * inside * self._areas * cosine
        to_vertices, to_links = self._tree(abs(impedances))
        matrix = _on_the_tree(to_links, impedances) - 1j * omega * (to_vertices.T @ (inductance @ to_vertices))
        scale = 1 / np.sqrt(abs(np.diagonal(matrix)))
        force = scale * (to_vertices.T @ (1j * omega * flux))
        tree = scale * np.linalg.solve(scale[:, None] * matrix * scale, force)
        g, currents = to_vertices @ tree, to_links @ tree
        # dipole part of the flux that the currents make, over the applied one
        dipole = 3 * (self._areas * cosine) @ g / self._areas.sum()
        chi = inside - 1 + 2 / (self.radius_m * (slopes[1] + 1)) * dipole
        choice = Choice("stream function", "the only one", select_backend("cpu"))
        facts = {"patches": len(self.patches), "links": len(currents), "harmonics": int(self._orders.max())}
        return ShellResponse(
            real=float(chi.real),
            imaginary=float(chi.imag),
            link_currents=currents,
            frequency_Hz=frequency,
            evidence=Evidence.of(choice, dtype="complex128", start=start, **facts),
        )

    def decay_time(self, sheet_resistance_ohm: Any) -> float:
        """Return the slowest decay time of a moment of the shell without a core, after a field was switched.

        Parameters
        ----------
        sheet_resistance_ohm : float, or array (E,)
            Of each link, per square, > 0; infinity where open.

        Returns
        -------
        float
            Seconds; ``mu_0 r/3R`` of a uniform shell.

        Raises
        ------
        TypeError, ValueError
            If a resistance is not positive.
        """
        values = real_array("sheet_resistance_ohm", sheet_resistance_ohm)
        if values.dtype.kind not in "iuf" or not (values > 0).all():
            raise ValueError(
                f"sheet_resistance_ohm must be positive (ohm per square); got {sheet_resistance_ohm!r:.80}"
            )
        impedances = self._impedances(values).real
        to_vertices, to_links = self._tree(impedances)
        if not to_vertices.shape[1]:
            return 0.0
        inductance = self._inductances(_interior_slopes(0.0, self._orders.max() + 1)).real
        matrix = _on_the_tree(to_links, impedances)
        scale = 1 / np.sqrt(np.diagonal(matrix))
        scaled = [scale[:, None] * part * scale for part in (to_vertices.T @ (inductance @ to_vertices), matrix)]
        return float(scipy.linalg.eigh(*scaled, eigvals_only=True, subset_by_index=[scale.size - 1] * 2)[0])

    @cached_property
    def _areas(self) -> np.ndarray:
        """Areas (V,) of the cells of the vertices in m^2, together that of the sphere."""
        vertices, faces = self._mesh
        a, b, c = (vertices[faces[:, k]] for k in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
        cells = np.bincount(faces.ravel(), np.repeat(area / 3, 3), len(vertices))
        return cells * 4 * math.pi * self.radius_m**2 / cells.sum()

    @cached_property
    def _orders(self) -> np.ndarray:
        """Degree l of each harmonic that the vertices resolve."""
        most = math.isqrt(len(self._mesh[0]) // 2) - 1
        return np.concatenate([np.full(2 * degree + 1, degree) for degree in range(1, most + 1)])

    @cached_property
    def _harmonics(self) -> np.ndarray:
        """Orthonormal harmonics (V, H) times the root of the areas."""
        x, y, z = self._mesh[0].T
        polar, azimuth = np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x)
        columns = [np.ones(x.size)]
        for degree in range(1, int(self._orders.max()) + 1):
            for order in range(-degree, degree + 1):
                angular = np.cos(order * azimuth) if order >= 0 else np.sin(-order * azimuth)
                columns.append(_legendre(degree, abs(order), polar) * angular)
        basis, _ = np.linalg.qr(np.sqrt(self._areas)[:, None] * np.array(columns).T)
        return basis

    def _inductances(self, slopes: np.ndarray) -> np.ndarray:
        degree = np.arange(1, int(self._orders.max()) + 1)
        eigen = mu_0 * degree * (degree + 1) / (self.radius_m * (slopes[degree] + degree))
        each = np.concatenate([[0.0], eigen[self._orders - 1]])
        root, basis = np.sqrt(self._areas), self._harmonics
        kept = (basis * (each - eigen[-1])) @ basis.T
        kept[np.diag_indices(len(root))] += eigen[-1]
        return root[:, None] * kept * root

    def _tree(self, sizes: np.ndarray) -> tuple[Any, Any]:
        """Return g (V, K) and the currents of all links (E, K) of unit currents in the K tree links that are not open.

        The tree has the links of the largest sizes: each other link closes a circle of links that are none smaller.
        """
        ends, vertices = self._edges[0], len(self._mesh[0])
        order = np.argsort(-sizes, kind="stable")
        rank = np.arange(1, order.size + 1)
        graph = scipy.sparse.coo_array((rank, tuple(ends[order].T)), shape=(vertices, vertices)).tocsr()
        tree = scipy.sparse.csgraph.minimum_spanning_tree(graph)
        sequence, parents = scipy.sparse.csgraph.breadth_first_order(tree, 0, directed=False)
        upwards = np.zeros((vertices, vertices), dtype=np.int8)  # links between a vertex and the first one
        for vertex in sequence[1:]:
            upwards[vertex] = upwards[parents[vertex]]
            upwards[vertex, vertex] = 1
        found = tree.tocoo()
        closed = np.zeros(vertices, dtype=bool)
        child = np.where(parents[found.row] == found.col, found.row, found.col)
        closed[child] = np.isfinite(sizes[order[found.data.astype(int) - 1]])
        kept = upwards[:, closed]
        links = scipy.sparse.csr_array(kept[ends[:, 0]] - kept[ends[:, 1]], dtype=float)
        return scipy.sparse.csr_array(kept, dtype=float), links

    def _impedances(self, values: Any) -> np.ndarray:
        """Return the impedance of each link (E,) in ohm, infinity where open."""
        array = real_array("sheet_impedance_ohm", values)
        count = len(self.links)
        if array.dtype.kind not in "iufc" or array.shape not in ((), (count,)):
            raise ValueError(
                f"sheet_impedance_ohm must be a number, or one for each of the {count} links; got shape {array.shape} "
                f"of {array.dtype}"
            )
        if np.isnan(array).any() or (array.real < 0).any():
            raise ValueError("sheet_impedance_ohm must have real parts >= 0 (ohm per square; a link heats); got others")
        closed = np.isfinite(array)
        return np.where(closed, np.where(closed, array, 0) * self._edges[2], np.inf).astype(complex)


def _on_the_tree(to_links: Any, impedances: np.ndarray) -> np.ndarray:
    """Return the impedances between the tree's links; an open link outside of the tree has open ones around it."""
    closed = scipy.sparse.diags_array(np.where(np.isfinite(impedances), impedances, 0))
    return (to_links.T @ (closed @ to_links)).toarray()


def _interior_slopes(x: complex, most: int) -> np.ndarray:
    """Return ``D_l = x j_(l-1)(x)/j_l(x) - l`` for l = 0 .. most, by the recursion downwards."""
    found = np.empty(most + 1, dtype=complex)
    if abs(x) > _DEEP:
        return -1j * x * np.ones(most + 1)
    ratio = complex(2 * (most + 50 + int(2 * abs(x))) + 1)
    for degree in range(most + 50 + int(2 * abs(x)), -1, -1):
        ratio = (2 * degree + 1) - x * x / ratio
        if degree <= most:
            found[degree] = ratio - degree
    return found


def _legendre(degree: int, order: int, polar: np.ndarray) -> np.ndarray:
    """Return an associated Legendre function, up to a factor that keeps it near 1."""
    scale = math.exp(0.5 * (math.lgamma(degree - order + 1) - math.lgamma(degree + order + 1)))
    return scale * scipy.special.lpmv(order, degree, np.cos(polar))


def _icosphere(subdivisions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return directions (V, 3) and triangles (F, 3) of an icosahedron whose triangles are cut into four, repeatedly."""
    golden = (1 + math.sqrt(5)) / 2
    points = [(0, s, t * golden) for s in (1, -1) for t in (1, -1)]
    vertices = np.array([p[k:] + p[:k] for k in range(3) for p in points]) / math.hypot(1, golden)
    near = np.linalg.norm(vertices[:, None] - vertices, axis=-1) < 1.2
    np.fill_diagonal(near, False)
    i, j, k = np.nonzero(near[:, :, None] & near[:, None, :] & near[None])
    faces = np.stack([i, j, k], axis=1)[(i < j) & (j < k)]
    for _ in range(subdivisions):
        edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, place = np.unique(edges, axis=0, return_inverse=True)
        middle = vertices[unique].sum(axis=1)
        a, b, c = (len(vertices) + place.reshape(-1, 3)).T
        u, v, w = faces.T
        vertices = np.concatenate([vertices, middle / np.linalg.norm(middle, axis=1, keepdims=True)])
        corners = [(u, a, c), (v, b, a), (w, c, b), (a, b, c)]
        faces = np.concatenate([np.stack(corner, axis=1) for corner in corners])
    return vertices, faces


def _require_axis(values: Any) -> np.ndarray:
    array = real_array("axis", values)
    if array.dtype.kind not in "iuf" or array.shape != (3,) or not np.isfinite(array).all() or not array.any():
        raise ValueError(f"axis must be three finite numbers, not all 0; got {values!r:.80}")
    return array / np.linalg.norm(array)
