"""Writing text: characters a second of one stream and of 64, ours and the peers.

    python bench/generate_rnn.py [--peers PYTHON] [--quick] [--write] [--only "LSTM 2x512"]

A step writes CHARACTERS characters, each by the network's step and the choice of a symbol. "greedy" takes the
likeliest: the texts must then be equal, which is checked (of 64 streams, the first). "sampled" draws from the
softmax, as each library does it, and is not checked. One stream computes on one thread, 64 streams on all. Same
weights (a file) for all, float32 but for "int8".

- seqdl: CharModel.generate, for 64 streams generate_many, with all that a user gets (UTF-8, log-probabilities).
  "int8": with the weights of an int8 file, a quarter of the bytes; as it writes other texts, it is not checked.
- PyTorch: under inference_mode. "mv", "mm": written by hand with torch.addmv, or torch.addmm over weights
  transposed beforehand, the first layer's input a row of a table. "cells": nn.LSTMCell or nn.GRUCell. nn.LSTM
  step by step is left out: performance.md has it at 144 characters/s on 2x512, as it repacks its weights.
- onnxruntime: a step as a graph with the state going in and out. "graph": products and gates one by one, the first
  layer's input a row of a table; "op": its LSTM or GRU operator. The choice of the symbol is NumPy's.

FLOPs: 2 a multiply-add, the one-hot input counts 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import measure
import numpy as np
import train_rnn
from measure import Case, Config, Ledger, Options, Result, Step
from train_rnn import GATES, SYMBOLS

CHARACTERS = 100
FIRST = 1  # the symbol that each text begins after
Advance = Callable[[Any], Any]  # symbols (B,) -> logits (B, V); moves a state along


def cases() -> list[Case]:
    """One stream greedy and sampled, then 64 streams, of the four configurations."""
    found = []
    for streams, sampled in ((1, False), (1, True), (64, False)):
        for one in train_rnn.CASES:
            config = {k: one.config[k] for k in ("cell", "layers", "hidden")} | {"batch": streams, "sampled": sampled}
            characters = CHARACTERS * streams
            way = "sampled" if sampled else "greedy"
            name = f"{one.name.split(',')[0]}, {streams} stream{'s' if streams > 1 else ''}, {way}"
            found.append(Case(name, config, characters, one.flops / 3 / one.items * characters))
    return found


def with_file(case: Case) -> Case:
    """The same case, its weights in a file. Symbol 0, which seqdl never writes, gets a logit far below all."""
    arrays = train_rnn.weights(case.config)
    arrays["decoder.weight"] *= 4  # so that no two symbols are as likely as each other but for rounding
    arrays["decoder.bias"][0] = -100
    return measure.with_arrays(case, arrays)


def fingerprint(symbols: Any) -> float:
    """A number that two different texts hardly share."""
    symbols = np.asarray(symbols).reshape(CHARACTERS, -1)[:, 0]
    return float(symbols @ (1 + np.arange(CHARACTERS) % 7))


def writer(config: Config, start: Callable[[], Advance], choose: Callable[[Any], Any], first: Any) -> Step:
    """A step from the parts: a fresh state, then symbol after symbol."""

    def step() -> float:
        advance, symbols, written = start(), first, []
        for _ in range(CHARACTERS):
            symbols = choose(advance(symbols))
            written.append(symbols)
        return 1.0 if config["sampled"] else fingerprint(written)

    return step


def numpy_choice(config: Config) -> Callable[[Any], Any]:
    """From logits (B, V) the next symbols (B,)."""
    if not config["sampled"]:
        return lambda logits: logits.argmax(axis=1)
    draw = np.random.default_rng(0)

    def choose(logits: Any) -> Any:
        weights = np.exp(logits - logits.max(axis=1, keepdims=True)).cumsum(axis=1)
        return (weights < draw.random((len(logits), 1)) * weights[:, -1:]).sum(axis=1)

    return choose


def ours(config: Config, quantised: str = "float32") -> Step:
    from seqdl import parallel
    from seqdl.text import CharModel, SamplingOptions
    from seqdl.text.network import CharNetwork
    from seqdl.text.vocabulary import CharVocabulary

    parallel.set_num_threads(config["threads"])
    network = CharNetwork(SYMBOLS, config["cell"], config["hidden"], config["layers"])
    network.load_state_dict(measure.load(config))
    network.eval()
    vocabulary = CharVocabulary("".join(chr(ord("0") + n) for n in range(SYMBOLS - 1)))
    model, prompt = CharModel(network, vocabulary, {"quantised": quantised}), vocabulary.decode([FIRST])
    options = SamplingOptions(temperature=1.0 if config["sampled"] else 0.0)
    batch = config["batch"]

    def step() -> float:
        if batch == 1:
            pieces = list(model.generate(prompt, CHARACTERS, seed=0, options=options))
        else:
            pieces = model.generate_many([prompt] * batch, CHARACTERS, seeds=range(batch), options=options)[:1]
        return 1.0 if config["sampled"] else fingerprint([symbol for piece in pieces for symbol in piece.symbols])

    return step


def torch_writer(config: Config, torch: Any, start: Callable[[], Advance]) -> Step:
    def choose(logits: Any) -> Any:
        if config["sampled"]:
            return torch.multinomial(logits.softmax(1), 1)[:, 0]
        return logits.argmax(1)

    step = writer(config, start, choose, torch.full((config["batch"],), FIRST))

    def without_gradients() -> float:
        with torch.inference_mode():
            return step()

    return without_gradients


def torch_by_hand(config: Config, matrix_vector: bool) -> Step:
    import torch

    torch.set_num_threads(config["threads"])
    return torch_writer(config, torch, hand_start(config, matrix_vector))


def hand_start(config: Config, matrix_vector: bool) -> Callable[[], Advance]:
    """Products and gates one by one, with a fresh state at each start."""
    import torch

    w = {name: torch.from_numpy(array) for name, array in measure.load(config).items()}
    lstm, H, layers, batch = config["cell"] == "lstm", config["hidden"], config["layers"], config["batch"]
    assert batch == 1 or not matrix_vector
    if not matrix_vector:  # transposed beforehand, so that a product reads rows
        w = {name: array.T.contiguous() if array.ndim == 2 else array for name, array in w.items()}

    def product(bias: Any, matrix: Any, x: Any) -> Any:
        return torch.addmv(bias, matrix, x) if matrix_vector else torch.addmm(bias, x, matrix)

    first = w["rnn.weight_ih_l0"]
    table = (first.T if matrix_vector else first) + w["rnn.bias_ih_l0"]
    if lstm:  # one bias will do
        table = table + w["rnn.bias_hh_l0"]
        both = [w[f"rnn.bias_ih_l{k}"] + w[f"rnn.bias_hh_l{k}"] for k in range(layers)]
    axis = 0 if matrix_vector else 1

    def start() -> Advance:
        shape = (H,) if matrix_vector else (batch, H)
        h, c = ([torch.zeros(shape) for _ in range(layers)] for _ in range(2))

        def lstm_step(k: int, x: Any) -> None:
            gates = x if k == 0 else product(both[k], w[f"rnn.weight_ih_l{k}"], x)
            i, f, g, o = product(gates, w[f"rnn.weight_hh_l{k}"], h[k]).chunk(4, axis)
            c[k] = f.sigmoid() * c[k] + i.sigmoid() * g.tanh()
            h[k] = o.sigmoid() * c[k].tanh()

        def gru_step(k: int, x: Any) -> None:
            gates = x if k == 0 else product(w[f"rnn.bias_ih_l{k}"], w[f"rnn.weight_ih_l{k}"], x)
            hidden = product(w[f"rnn.bias_hh_l{k}"], w[f"rnn.weight_hh_l{k}"], h[k])
            split = (2 * H, H)
            x_rz, x_n = gates.split(split, axis)
            h_rz, h_n = hidden.split(split, axis)
            r, z = (x_rz + h_rz).sigmoid_().chunk(2, axis)
            n = torch.addcmul(x_n, r, h_n).tanh_()
            h[k] = torch.lerp(n, h[k], z)

        def advance(symbols: Any) -> Any:
            x = table[symbols[0]] if matrix_vector else table[symbols]
            for k in range(layers):
                (lstm_step if lstm else gru_step)(k, x)
                x = h[k]
            logits = product(w["decoder.bias"], w["decoder.weight"], x)
            return logits[None] if matrix_vector else logits

        return advance

    return start


def torch_cells(config: Config) -> Step:
    import torch

    torch.set_num_threads(config["threads"])
    return torch_writer(config, torch, cell_start(config))


def cell_start(config: Config) -> Callable[[], Advance]:
    """nn.LSTMCell or nn.GRUCell, with a fresh state at each start."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    arrays = measure.load(config)
    lstm, H, layers, batch = config["cell"] == "lstm", config["hidden"], config["layers"], config["batch"]
    symbols = len(arrays["decoder.bias"])
    cells = [(nn.LSTMCell if lstm else nn.GRUCell)(H if k else symbols, H) for k in range(layers)]
    for k, cell in enumerate(cells):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        cell.load_state_dict({name: torch.from_numpy(arrays[f"rnn.{name}_l{k}"]) for name in names})
    decoder = nn.Linear(H, symbols)
    decoder.load_state_dict({name: torch.from_numpy(arrays[f"decoder.{name}"]) for name in ("weight", "bias")})
    identity = torch.eye(symbols)

    def start() -> Advance:
        zeros = torch.zeros(batch, H)
        states: list[Any] = [(zeros, zeros) if lstm else zeros] * layers

        def advance(read: Any) -> Any:
            x = F.embedding(read, identity)
            for k, cell in enumerate(cells):
                states[k] = cell(x, states[k])
                x = states[k][0] if lstm else states[k]
            return decoder(x)

        return advance

    return start


def onnx_step(config: Config, operator: bool) -> Step:
    """The graph of a step in an inference session. State c exists for an LSTM only."""
    import onnxruntime

    model = (operator_graph if operator else step_graph)(config, measure.load(config))
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = config["threads"]
    settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    shapes = {given.name: given.shape for given in session.get_inputs()}

    def start() -> Advance:
        feeds = {name: np.zeros(shapes[name], np.float32) for name in names if name != "symbols"}

        def advance(symbols: Any) -> Any:
            feeds["symbols"] = symbols
            logits, *states = session.run(None, feeds)
            feeds.update(zip(names[1:], states, strict=True))
            return logits

        return advance

    return writer(config, start, numpy_choice(config), np.full(config["batch"], FIRST, np.int64))


class Graph:
    """Collects the nodes of an ONNX graph."""

    def __init__(self, config: Config) -> None:
        from onnx import TensorProto, helper, numpy_helper

        self.helper, self.numpy_helper, self.float = helper, numpy_helper, TensorProto.FLOAT
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs = [helper.make_tensor_value_info("symbols", TensorProto.INT64, [config["batch"]])]
        self.outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [config["batch"], SYMBOLS])]

    def constant(self, array: np.ndarray) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(self.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: Any) -> Any:
        """A node; returns the name or names of what it gives."""
        names = (
            [name or f"value{len(self.nodes)}"] if outputs == 1 else [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        )
        self.nodes.append(self.helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def state(self, name: str, shape: list[int]) -> str:
        """An input; the node that gives its next value is to be named `name`_after."""
        self.inputs.append(self.helper.make_tensor_value_info(name, self.float, shape))
        self.outputs.append(self.helper.make_tensor_value_info(f"{name}_after", self.float, shape))
        return name

    def bytes(self) -> bytes:
        graph = self.helper.make_graph(self.nodes, "step", self.inputs, self.outputs, self.constants)
        opset = [self.helper.make_opsetid("", 17)]
        return self.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def step_graph(config: Config, w: dict[str, np.ndarray]) -> bytes:
    """Products and gates one by one."""
    graph, lstm, H = Graph(config), config["cell"] == "lstm", config["hidden"]
    shape, add = [config["batch"], H], graph.add

    def product(x: str, weight: np.ndarray, bias: str) -> str:
        return add("Gemm", x, graph.constant(weight.T), bias)

    table = w["rnn.weight_ih_l0"].T + w["rnn.bias_ih_l0"] + (w["rnn.bias_hh_l0"] if lstm else 0)
    x = ""
    for k in range(config["layers"]):
        w_ih, w_hh, b_ih, b_hh = (w[f"rnn.{n}_l{k}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        bias = graph.constant(b_ih + b_hh if lstm else b_ih)
        gates = product(x, w_ih, bias) if k else add("Gather", graph.constant(table.astype(np.float32)), "symbols")
        h = graph.state(f"h{k}", shape)
        if lstm:
            c = graph.state(f"c{k}", shape)
            i, f, g, o = add("Split", product(h, w_hh, gates), outputs=4, axis=1)
            kept = add("Mul", add("Sigmoid", f), c)
            c = add("Add", kept, add("Mul", add("Sigmoid", i), add("Tanh", g)), name=f"c{k}_after")
            x = add("Mul", add("Sigmoid", o), add("Tanh", c), name=f"h{k}_after")
            continue
        sizes = graph.constant(np.array([2 * H, H]))
        x_rz, x_n = add("Split", gates, sizes, outputs=2, axis=1)
        h_rz = product(h, w_hh[: 2 * H], graph.constant(b_hh[: 2 * H]))
        h_n = product(h, w_hh[2 * H :], graph.constant(b_hh[2 * H :]))
        r, z = add("Split", add("Sigmoid", add("Add", x_rz, h_rz)), outputs=2, axis=1)
        n = add("Tanh", add("Add", x_n, add("Mul", r, h_n)))
        x = add("Add", n, add("Mul", z, add("Sub", h, n)), name=f"h{k}_after")
    add("Gemm", x, graph.constant(w["decoder.weight"].T), graph.constant(w["decoder.bias"]), name="logits")
    return graph.bytes()


def operator_graph(config: Config, w: dict[str, np.ndarray]) -> bytes:
    """ONNX's LSTM (gates i, o, f, c) or GRU (z, r, h) operator over a sequence of one."""
    graph, lstm, H, batch = Graph(config), config["cell"] == "lstm", config["hidden"], config["batch"]
    order = [0, 3, 1, 2] if lstm else [1, 0, 2]
    add = graph.add

    def blocks(array: np.ndarray) -> np.ndarray:
        return array.reshape(GATES[config["cell"]], H, -1)[order].reshape(array.shape)[None]

    x = add("Gather", graph.constant(np.eye(SYMBOLS, dtype=np.float32)), "symbols")
    x = add("Unsqueeze", x, graph.constant(np.array([0])))
    for k in range(config["layers"]):
        w_ih, w_hh, b_ih, b_hh = (blocks(w[f"rnn.{n}_l{k}"]) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        constants = [graph.constant(a) for a in (w_ih, w_hh, np.concatenate([b_ih, b_hh], axis=1))]
        states = [graph.state(f"{name}{k}", [1, batch, H]) for name in ("h", "c")[: 2 if lstm else 1]]
        after = [f"{state}_after" for state in states]
        extra = {} if lstm else {"linear_before_reset": 1}
        kind = config["cell"].upper()
        node = graph.helper.make_node(kind, [x, *constants, "", *states], ["", *after], hidden_size=H, **extra)
        graph.nodes.append(node)
        x = after[0]
    x = add("Squeeze", x, graph.constant(np.array([0])))
    add("Gemm", x, graph.constant(w["decoder.weight"].T), graph.constant(w["decoder.bias"]), name="logits")
    return graph.bytes()


CONTENDERS = {
    "seqdl": ours,
    "seqdl int8": lambda config: ours(config, quantised="int8"),
    "PyTorch mv": lambda config: torch_by_hand(config, matrix_vector=True),
    "PyTorch mm": lambda config: torch_by_hand(config, matrix_vector=False),
    "PyTorch cells": torch_cells,
    "onnxruntime graph": lambda config: onnx_step(config, operator=False),
    "onnxruntime op": lambda config: onnx_step(config, operator=True),
}


def row(case: Case, threads: int, results: dict[str, Result], ledger: Ledger) -> list[str]:
    """Of the table; the ratio goes into the ledger."""
    name, ratio = measure.best_peer(results)
    ledger.ratios[f"generation, {case.name}, {threads} threads"] = ratio
    if not case.config["sampled"]:
        ledger.summary.append(f"writing, {case.name}, {threads} threads | {ratio:.2f}")
    cells = [measure.rate(case, results[contender]) if contender in results else "-" for contender in CONTENDERS]
    megabytes = 4e-6 * (case.flops / 2 / case.items) * (case.items / case.config["batch"])
    reads = f"{megabytes / 1e3 / results['seqdl'].seconds:.1f}"
    return [case.name, str(threads), *cells, f"**{ratio:.2f}** ({name})", reads, measure.share(case, results)]


def bench(options: Options) -> None:
    ledger, rows = Ledger("generate_rnn"), []
    for case in map(with_file, measure.chosen(cases(), options)):
        alone = case.config["batch"] == 1
        threads = 1 if alone else options.threads[-1]
        contenders = [name for name in CONTENDERS if alone or name != "PyTorch mv"]
        results = measure.compare(__file__, case, contenders, ["seqdl", "seqdl int8"], threads, options)
        ledger.peer_failures(results, case)
        rows.append(row(case, threads, results, ledger))
    head = ["characters/s", "threads", *CONTENDERS, "over the best peer", "seqdl reads weights at GB/s", "of the limit"]
    measure.publish(ledger, measure.table(head, rows), options)


if __name__ == "__main__":
    measure.main(CONTENDERS, bench, __doc__)
