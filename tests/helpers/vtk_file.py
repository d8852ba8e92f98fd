"""Reads VTK's XML files with appended raw data, after the description of the format, not with what wrote them."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_TYPES = {"Float64": "f8", "Float32": "f4", "Int64": "i8", "Int32": "i4", "Int8": "i1", "UInt8": "u1"}


@dataclass
class VtkFile:
    """What a viewer sees: points (n, 3), fields on points and on cells, cells as lists of points."""

    points: np.ndarray
    fields: dict[str, np.ndarray]
    cell_fields: dict[str, np.ndarray]
    cells: list[list[int]]


def read_vtk(path: Path) -> VtkFile:
    head, _, rest = Path(path).read_bytes().partition(b"<AppendedData")
    root = ElementTree.fromstring(head + b"</VTKFile>")
    data = rest[rest.index(b"_") + 1 :]
    order = {"LittleEndian": "<", "BigEndian": ">"}[root.attrib["byte_order"]]
    header = np.dtype(order + {"UInt64": "u8", "UInt32": "u4"}[root.attrib.get("header_type", "UInt32")])

    def array(node):
        start = int(node.attrib["offset"])
        size = int(np.frombuffer(data, header, 1, start)[0])
        dtype = np.dtype(order + _TYPES[node.attrib["type"]])
        found = np.frombuffer(data, dtype, size // dtype.itemsize, start + header.itemsize)
        count = int(node.attrib.get("NumberOfComponents", 1))
        return found.reshape(-1, count) if count > 1 else found

    def named(section):
        return {node.attrib["Name"]: array(node) for node in root.iterfind(f".//{section}/DataArray")}

    if root.attrib["type"] == "ImageData":
        grid = root.find("ImageData").attrib
        first, origin, spacing = (np.array(grid[name].split(), float) for name in ("WholeExtent", "Origin", "Spacing"))
        counts = (first[1::2] - first[::2] + 1).astype(int)
        z, y, x = np.meshgrid(*(np.arange(n) for n in counts[::-1]), indexing="ij")  # x fastest
        points, cells = origin + spacing * np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1), []
    else:
        points, topology = array(root.find(".//Points/DataArray")), named("Cells")
        cells = [part.tolist() for part in np.split(topology["connectivity"], topology["offsets"])[:-1]]
        counts = root.find(".//Piece").attrib
        assert (int(counts["NumberOfPoints"]), int(counts["NumberOfCells"])) == (len(points), len(cells))
    return VtkFile(points, named("PointData"), named("CellData"), cells)
