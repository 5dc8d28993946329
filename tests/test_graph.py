"""The graph of a tensor: what it says, and how it is drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from seqdl import GraphError, OutputError, Tensor, UsageError, graph_of, nn, no_grad, ops
from seqdl.graph import Graph, Vertex
from seqdl.layered import draw


def number(value: float) -> Tensor:
    return Tensor([value], requires_grad=True)


def formula() -> tuple[Graph, Tensor]:
    x, y = number(2.0), number(3.0)
    result = x * y + x
    return graph_of(result, names={"x": x, "y": y}), result


def test_vertices_are_leaves_and_operations_each_after_its_inputs() -> None:
    graph, _ = formula()
    assert graph.vertices == (
        Vertex("x", "2", "parameter"),
        Vertex("y", "3", "parameter"),
        Vertex("mul", "6", "operation", (0, 1)),
        Vertex("add", "8", "operation", (2, 0)),
    )


def test_parameters_of_a_module_have_their_path_and_shape() -> None:
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    graph = graph_of(ops.cross_entropy(model(np.zeros((4, 2), np.float32)), np.zeros(4, np.int64)), names=model)
    told = {vertex.name: vertex.about for vertex in graph.vertices}
    assert told["0.weight"] == "8 x 2"
    assert [v.name for v in graph.vertices if v.kind == "operation"] == ["linear", "tanh", "linear", "cross_entropy"]


def test_a_module_among_the_names_gives_its_parameters_paths_below_its_own() -> None:
    model, x = nn.Linear(2, 3), Tensor(np.zeros((4, 2), np.float32))
    graph = graph_of(model(x).sum(), names={"pictures": x, "network": model})
    assert [vertex.name for vertex in graph.vertices[:3]] == ["pictures", "network.weight", "network.bias"]


def test_inputs_that_want_no_gradient_are_constants() -> None:
    graph = graph_of(number(1.0) * Tensor([5.0]) + 7.0)
    assert [v.kind for v in graph.vertices] == ["parameter", "constant", "operation", "operation"]


def test_an_operation_with_two_outputs_is_one_vertex() -> None:
    out, state = nn.GRU(3, 4)(np.zeros((5, 2, 3), np.float32))
    vertices = graph_of(out.sum() + state.sum()).vertices
    assert [vertex.about for vertex in vertices if vertex.name == "gru"] == ["5 x 2 x 4, 1 x 2 x 4"]
    assert [vertex.name for vertex in vertices].count("sum") == 2


def test_a_chain_of_a_thousand_operations_is_refused_without_recursion() -> None:
    x = number(1.0)
    for _ in range(5000):
        x = x + 1.0
    with pytest.raises(GraphError, match="5001 vertices: more than 200 are too many to draw"):
        graph_of(x)


def test_leaves_count_among_what_is_too_many_to_draw() -> None:
    x = number(0.0)
    for _ in range(100):
        x = x + number(1.0)
    with pytest.raises(GraphError, match="201 vertices"):
        graph_of(x)


@pytest.mark.parametrize("tensor", [Tensor([1.0]), number(1.0)])
def test_a_leaf_has_no_graph(tensor: Tensor) -> None:
    with pytest.raises(GraphError, match="no graph"):
        graph_of(tensor)


def test_without_recording_there_is_no_graph() -> None:
    with no_grad(), pytest.raises(GraphError, match="no graph"):
        graph_of(number(1.0) * 2.0)


def test_after_backward_it_says_what_to_do() -> None:
    _, result = formula()
    result.backward()
    with pytest.raises(GraphError, match="draw it before backward"):
        graph_of(result)


def test_the_picture_is_xml_with_all_words_and_a_title() -> None:
    graph, _ = formula()
    root = ET.fromstring(graph.svg())
    words = [element.text for element in root.iter() if element.text and element.text.strip()]
    assert words[:2] == ["Graph with 2 operations", "mul of x, y; add of mul, x"]
    assert words[2:] == ["x", "2", "y", "3", "mul", "6", "add", "8"]
    assert graph._repr_svg_() == graph.svg()


def boxes(svg: str) -> list[tuple[float, float, float]]:
    """Left, right and top of each box."""
    found = re.findall(r'<rect x="([-\d.]+)" y="([\d.]+)" width="([\d.]+)"', svg)
    return [(float(x), float(x) + float(width), float(y)) for x, y, width in found]


def test_boxes_of_a_wide_layer_do_not_overlap_and_lie_within_the_picture() -> None:
    recurrent = nn.GRU(3, 4, 2)
    svg = graph_of(recurrent(np.zeros((5, 2, 3), np.float32))[0].sum(), names=recurrent).svg()
    width = float(re.search(r'width="(\d+)"', svg)[1])  # type: ignore[index]
    layers: dict[float, list[tuple[float, float]]] = {}
    for left, right, top in boxes(svg):
        assert 0 <= left < right <= width
        layers.setdefault(top, []).append((left, right))
    for layer in layers.values():
        layer.sort()
        assert all(a[1] < b[0] for a, b in pairwise(layer))


def test_many_weights_of_one_operation_stand_in_rows_that_a_page_can_hold() -> None:
    recurrent = nn.GRU(3, 4, 2, bidirectional=True)
    svg = graph_of(recurrent(np.zeros((5, 2, 3), np.float32))[0].sum(), names=recurrent).svg()
    assert float(re.search(r'width="(\d+)"', svg)[1]) <= 1000  # type: ignore[index]
    *above, operation, total = sorted(boxes(svg), key=lambda box: box[2])
    assert len({top for _, _, top in above}) > 2
    assert max(top for _, _, top in above) < operation[2] < total[2]


def test_what_is_used_twice_by_one_operation_has_two_edges_apart() -> None:
    x = number(2.0)
    starts = re.findall(r'<path d="M([\d.]+)', graph_of(x * x).svg())
    assert float(starts[1]) - float(starts[0]) == pytest.approx(14)


def test_what_is_made_of_something_stands_below_it() -> None:
    inputs = [(), (), (0, 1), (2,), (3, 0)]
    svg = draw(inputs, [("a", "")] * 5, fills=["#fff"] * 5, rounded=[False] * 5, title="five", description="")
    tops = [top for _, _, top in boxes(svg)]
    assert all(tops[source] < tops[v] for v, sources in enumerate(inputs) for source in sources)


def test_words_with_angle_brackets_stay_words() -> None:
    svg = draw([()], [("<b>", "&")], fills=["#fff"], rounded=[True], title="<t>", description="<d>")
    assert [element.text for element in ET.fromstring(svg) if element.text] == ["<t>", "<d>", "<b>", "&"]


def test_dot_names_every_edge() -> None:
    graph, _ = formula()
    assert re.findall(r"v(\d) -> v(\d);", graph.dot()) == [("0", "2"), ("1", "2"), ("2", "3"), ("0", "3")]


def test_quotes_in_a_name_stay_in_its_label() -> None:
    x = number(2.0)
    assert r'label="the \"x\"\n2"' in graph_of(x * 2.0, names={'the "x"': x}).dot()


def test_saved_as_its_ending_says(tmp_path: Path) -> None:
    graph, _ = formula()
    graph.save(tmp_path / "g.svg")
    graph.save(tmp_path / "g.dot")
    assert (tmp_path / "g.svg").read_text() == graph.svg()
    assert (tmp_path / "g.dot").read_text() == graph.dot()
    with pytest.raises(UsageError, match=r"g\.png: the name of a graph must end in \.svg or \.dot"):
        graph.save(tmp_path / "g.png")
    with pytest.raises(OutputError):
        graph.save("/dev/null/g.svg")
