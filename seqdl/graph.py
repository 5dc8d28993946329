"""The graph of a tensor as a picture: which operations made it, of what.

    x, y = Tensor([2.0], requires_grad=True), Tensor([3.0], requires_grad=True)
    graph_of(x * y + x, names={"x": x, "y": y})       # shows itself in a notebook
    graph_of(loss, names=model).save("loss.svg")      # parameters by their path
    graph_of(loss, names={"pictures": x, "network": model})

Draw before backward(), which frees the graph. Numbers and plain arrays among the inputs leave no trace, so they are
not in the picture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqdl.errors import UsageError
from seqdl.layered import draw
from seqdl.nn.module import Module
from seqdl.tensor import GraphError, Node, Tensor
from seqdl_data.files import write_bytes

FEW = 4  # values that are told one by one
MOST = 200  # vertices: more of them nobody could read
FILLS = {"parameter": "#dbe9f6", "constant": "#eeeeee", "operation": "#ffffff"}


@dataclass(frozen=True)
class Vertex:
    """A tensor that somebody made, or an operation.

    kind: parameter (a leaf that wants a gradient), constant or operation; about: shape, or the values where they are
    few; inputs: the numbers of the vertices that it was made of.
    """

    name: str
    about: str
    kind: str
    inputs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Vertices, each after its inputs; the last one is the tensor that was asked about."""

    vertices: tuple[Vertex, ...]

    def svg(self) -> str:
        """A picture: leaves as boxes, operations rounded, values flow downwards."""
        lines = [(vertex.name, vertex.about) for vertex in self.vertices]
        made = [vertex for vertex in self.vertices if vertex.kind == "operation"]
        return draw(
            [vertex.inputs for vertex in self.vertices],
            lines,
            fills=[FILLS[vertex.kind] for vertex in self.vertices],
            rounded=[vertex.kind == "operation" for vertex in self.vertices],
            title=f"Graph with {len(made)} operation{'s' * (len(made) != 1)}",
            description="; ".join(map(self._sentence, made)),
        )

    def _sentence(self, vertex: Vertex) -> str:
        return f"{vertex.name} of {', '.join(self.vertices[source].name for source in vertex.inputs)}"

    def dot(self) -> str:
        """The same in Graphviz' language."""
        rows = []
        for number, vertex in enumerate(self.vertices):
            shape = "ellipse" if vertex.kind == "operation" else "box"
            label = f"{vertex.name}\\n{vertex.about}".replace('"', '\\"')
            fill = FILLS[vertex.kind]
            rows.append(f'  v{number} [label="{label}", shape={shape}, style=filled, fillcolor="{fill}"];')
            rows += [f"  v{source} -> v{number};" for source in vertex.inputs]
        return "\n".join(["digraph {", *rows, "}\n"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .svg or .dot file; UsageError for another ending, OutputError if it cannot be written."""
        forms = {".svg": self.svg, ".dot": self.dot}
        suffix = Path(path).suffix.lower()
        if suffix not in forms:
            raise UsageError(f"{os.fspath(path)}: the name of a graph must end in .svg or .dot")
        write_bytes(path, forms[suffix]().encode())

    def _repr_svg_(self) -> str:
        return self.svg()


def graph_of(tensor: Tensor, names: Mapping[str, Tensor | Module] | Module | None = None) -> Graph:
    """The graph below `tensor`, with names for some of its leaves.

    names: a dictionary of tensors, and of modules, whose parameters are then told by their path; or one module.

    GraphError for a tensor without a graph (a leaf, or one behind which backward() has freed it), and for more than
    200 vertices.
    """
    nodes, leaves, values = _below(tensor)
    if len(nodes) + len(leaves) > MOST:
        count = len(nodes) + len(leaves)
        raise GraphError(f"graph of {count} vertices: more than {MOST} are too many to draw; draw that of a part")
    name_of = {id(each): name for name, each in _named(names)}
    vertices = [_leaf(each, name_of.get(id(each))) for each in leaves]
    number: dict[int, int] = {id(each): n for n, each in enumerate(leaves)}
    for node in nodes:
        inputs = (number[id(each.node or each)] for each in node.parents if each is not None)
        number[id(node)] = len(vertices)
        vertices.append(Vertex(node.name, ", ".join(values[id(node)]), "operation", tuple(inputs)))
    return Graph(tuple(vertices))


def _named(names: Mapping[str, Tensor | Module] | Module | None) -> Iterator[tuple[str, Tensor]]:
    if isinstance(names, Module):
        yield from names.named_parameters()
        return
    for name, each in (names or {}).items():
        if isinstance(each, Module):
            yield from ((f"{name}.{path}", parameter) for path, parameter in each.named_parameters())
        else:
            yield name, each


def _below(tensor: Tensor) -> tuple[list[Node], list[Tensor], dict[int, list[str]]]:
    """The nodes behind a tensor, inputs first; its leaves in the order of use; what is told of each node's outputs."""
    nodes: dict[int, Node] = {}
    values: dict[int, dict[int, str]] = {}
    waiting = [tensor]
    while waiting:
        node = (each := waiting.pop()).node
        if node is None:
            continue
        if node.backward is None:
            raise GraphError(f"the graph behind {node.name} is used up: draw it before backward()")
        values.setdefault(id(node), {})[each._index] = _told(each)
        if id(node) not in nodes:
            nodes[id(node)] = node
            waiting += [parent for parent in node.parents if parent is not None]
    if not nodes:
        raise GraphError("this tensor has no graph: no operation on what requires a gradient made it")
    ordered = sorted(nodes.values(), key=lambda node: node.order)
    parents = (each for node in ordered for each in node.parents if each is not None and each.node is None)
    leaves = {id(each): each for each in parents}
    return ordered, list(leaves.values()), {key: [told[n] for n in sorted(told)] for key, told in values.items()}


def _leaf(tensor: Tensor, name: str | None) -> Vertex:
    kind = "parameter" if tensor.requires_grad else "constant"
    return Vertex(name or kind, _told(tensor), kind)


def _told(tensor: Tensor) -> str:
    if tensor.size > FEW or tensor.size == 0:
        return " x ".join(map(str, tensor.shape))
    return ", ".join(f"{value:.4g}" for value in np.ravel(tensor.data))
