"""Training a character model: characters a second of one optimiser step after the other, ours and the peers.

    python bench/train_rnn.py [--peers PYTHON] [--quick] [--write] [--threads 1,2] [--only "LSTM 2x512"]

The step of all: forward over T symbols of B streams, cross-entropy, backward, Adam with PyTorch's defaults; the
state is carried into the next step. 65 symbols, the same initial weights (a file) and data for all, and the first
losses must agree. The first layer reads one-hot symbols:

- seqdl and JAX look up rows of the input weights.
- PyTorch's nn.LSTM wants vectors: rows of an identity matrix (F.embedding) rather than F.one_hot.
- PyTorch uses the fused Adam. "compile" is torch.compile of forward and loss.
- JAX jits the whole step: scan over time, input products of a layer for all steps before it. On a busy
  machine products inside the scan made no clear difference and unrolling it was slower: to be measured again.
- "floor": only the matrix products of a step through NumPy's BLAS, what is left if everything else costs nothing.

FLOPs: 2 a multiply-add, the one-hot input counts 0, training is three times the forward pass.
"""

from __future__ import annotations

from typing import Any

import measure
import numpy as np
from measure import Case, Config, Ledger, Options, Step
from steps import jax_adam

SYMBOLS = 65
WINDOWS = 8  # of data, read in turn
GATES = {"lstm": 4, "gru": 3}


def case(cell: str, layers: int, hidden: int, steps: int, batch: int) -> Case:
    """One configuration, without its file of weights and data."""
    rows = GATES[cell] * hidden
    weights = layers * rows * hidden + (layers - 1) * rows * hidden + hidden * SYMBOLS
    config = {"cell": cell, "layers": layers, "hidden": hidden, "steps": steps, "batch": batch}
    characters = steps * batch
    name = f"{cell.upper()} {layers}x{hidden}, T {steps}, batch {batch}"
    return Case(name, config, characters, 3 * 2.0 * weights * characters)


CASES = [
    case("lstm", 2, 128, 50, 50),
    case("lstm", 2, 512, 100, 64),
    case("gru", 3, 256, 75, 100),
    case("gru", 1, 512, 100, 64),
]


def weights(config: Config) -> dict[str, np.ndarray]:
    """Initial weights by PyTorch's names, U(+-1/sqrt(H))."""
    draw, hidden = np.random.default_rng(1), config["hidden"]
    rows = GATES[config["cell"]] * hidden
    shapes: dict[str, tuple[int, ...]] = {}
    for k in range(config["layers"]):
        shapes |= {f"rnn.weight_ih_l{k}": (rows, hidden if k else SYMBOLS), f"rnn.weight_hh_l{k}": (rows, hidden)}
        shapes |= {f"rnn.bias_ih_l{k}": (rows,), f"rnn.bias_hh_l{k}": (rows,)}
    shapes |= {"decoder.weight": (SYMBOLS, hidden), "decoder.bias": (SYMBOLS,)}
    bound = hidden**-0.5
    return {name: draw.uniform(-bound, bound, shape).astype(np.float32) for name, shape in shapes.items()}


def with_file(case: Case) -> Case:
    """The same case, its weights and data (WINDOWS, T + 1, B) in a file that all contenders read."""
    shape = (WINDOWS, case.config["steps"] + 1, case.config["batch"])
    data = np.random.default_rng(2).integers(0, SYMBOLS, shape)
    return measure.with_arrays(case, weights(case.config) | {"data": data})


def ours(config: Config) -> Step:
    from seqdl import keep_freed_memory, ops, optim, parallel
    from seqdl.text.network import CharNetwork

    parallel.set_num_threads(config["threads"])
    keep_freed_memory()  # as every training of ours does
    arrays, data = measure.load(config, "data")
    network = CharNetwork(SYMBOLS, config["cell"], config["hidden"], config["layers"])
    network.load_state_dict(arrays)
    optimiser = optim.Adam(network.parameters())
    state, turn = network.zero_state(config["batch"]), 0

    def step() -> Any:
        nonlocal state, turn
        symbols, turn = data[turn % WINDOWS], turn + 1
        optimiser.zero_grad()
        logits, after = network(symbols[:-1], state)
        state = tuple(part.detach() for part in after)
        loss = ops.cross_entropy(logits, symbols[1:].reshape(-1))
        loss.backward()
        optimiser.step()
        return loss.data

    return step


def torch_eager(config: Config, compiled: bool = False) -> Step:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(config["threads"])
    arrays, data = measure.load(config, "data")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = getattr(nn, config["cell"].upper())(SYMBOLS, config["hidden"], config["layers"])
            self.decoder = nn.Linear(config["hidden"], SYMBOLS)
            self.register_buffer("identity", torch.eye(SYMBOLS), persistent=False)

        def forward(self, symbols: Any, targets: Any, state: Any) -> Any:
            out, state = self.rnn(F.embedding(symbols, self.identity), state)
            return F.cross_entropy(self.decoder(out).reshape(-1, SYMBOLS), targets), state

    network = Network()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    windows = [torch.from_numpy(np.ascontiguousarray(window)) for window in data]
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    zeros = torch.zeros(config["layers"], config["batch"], config["hidden"])
    lstm = config["cell"] == "lstm"
    state: Any = (zeros, zeros) if lstm else zeros
    turn = 0
    if compiled:
        torch._dynamo.config.allow_rnn = True  # without it the recurrent layer is left out of the graph
    loss_of = torch.compile(network) if compiled else network

    def step() -> Any:
        nonlocal state, turn
        symbols, turn = windows[turn % WINDOWS], turn + 1
        optimiser.zero_grad()
        loss, state = loss_of(symbols[:-1], symbols[1:].reshape(-1), state)
        state = tuple(part.detach() for part in state) if lstm else state.detach()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def torch_compile(config: Config) -> Step:
    return torch_eager(config, compiled=True)


def jax_jit(config: Config) -> Step:
    import jax
    from jax import lax
    from jax import numpy as jnp

    arrays, data = measure.load(config, "data")
    H, layers, batch = config["hidden"], config["layers"], config["batch"]
    lstm = config["cell"] == "lstm"

    def lstm_layer(x_gates: Any, w_hh: Any, b_hh: Any, state: Any) -> Any:
        def one(state: Any, x: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(x + h @ w_hh, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        return lax.scan(one, state, x_gates + b_hh)

    def gru_layer(x_gates: Any, w_hh: Any, b_hh: Any, state: Any) -> Any:
        def one(h: Any, x: Any) -> Any:
            product = h @ w_hh + b_hh
            r, z = jnp.split(jax.nn.sigmoid(x[:, : 2 * H] + product[:, : 2 * H]), 2, axis=1)
            n = jnp.tanh(x[:, 2 * H :] + r * product[:, 2 * H :])
            h = (1 - z) * n + z * h
            return h, h

        return lax.scan(one, state, x_gates)

    def loss_of(w: Any, symbols: Any, state: Any) -> Any:
        x, after = None, []
        for k in range(layers):
            w_ih, bias = w[f"rnn.weight_ih_l{k}"].T, w[f"rnn.bias_ih_l{k}"]
            gates = (w_ih + bias)[symbols[:-1]] if k == 0 else x @ w_ih + bias
            layer = lstm_layer if lstm else gru_layer
            final, x = layer(gates, w[f"rnn.weight_hh_l{k}"].T, w[f"rnn.bias_hh_l{k}"], state[k])
            after.append(final)
        logits = x @ w["decoder.weight"].T + w["decoder.bias"]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), symbols[1:, :, None], axis=2)
        return -chosen.mean(), after

    def update(w: Any, m: Any, v: Any, t: Any, state: Any, symbols: Any) -> Any:
        (loss, state), grads = jax.value_and_grad(loss_of, has_aux=True)(w, symbols, state)
        t = t + 1
        return *jax_adam(w, m, v, t, grads), t, state, loss

    w: Any = {name: jnp.asarray(array) for name, array in arrays.items()}
    m, v = ({name: jnp.zeros_like(a) for name, a in w.items()} for _ in range(2))
    t, turn = jnp.zeros((), jnp.int32), 0
    state: Any = [tuple(jnp.zeros((batch, H)) for _ in range(2)) if lstm else jnp.zeros((batch, H))] * layers
    state = jax.tree.map(jnp.copy, state)  # buffers that are given away must not be shared
    windows = [jnp.asarray(window, jnp.int32) for window in data]
    jitted = jax.jit(update, donate_argnums=(0, 1, 2, 4))

    def step() -> Any:
        nonlocal w, m, v, t, state, turn
        symbols, turn = windows[turn % WINDOWS], turn + 1
        w, m, v, t, state, loss = jitted(w, m, v, t, state, symbols)
        return loss

    return step


def floor(config: Config) -> Step:
    """Only the products: for each its operands and result of the right shapes, reused."""
    draw = np.random.default_rng(0)
    H, T, B, rows = config["hidden"], config["steps"], config["batch"], GATES[config["cell"]] * config["hidden"]
    h, gates, logits = (draw.random((T, B, n), dtype=np.float32).reshape(-1, n) for n in (H, rows, SYMBOLS))
    w, decoder = draw.random((rows, H), dtype=np.float32), draw.random((SYMBOLS, H), dtype=np.float32)
    out_h, out_gates, out_logits = np.empty_like(h), np.empty_like(gates), np.empty_like(logits)
    out_w, out_decoder = np.empty_like(w), np.empty_like(decoder)

    def step() -> Any:
        for layer in range(config["layers"]):
            if layer:  # inputs of all steps: forward, their gradient, the weights' gradient
                np.matmul(h, w.T, out=out_gates)
                np.matmul(gates, w, out=out_h)
                np.matmul(gates.T, h, out=out_w)
            for t in range(0, T * B, B):
                np.matmul(h[t : t + B], w.T, out=out_gates[t : t + B])
                np.matmul(gates[t : t + B], w, out=out_h[t : t + B])
            np.matmul(gates.T, h, out=out_w)
        np.matmul(h, decoder.T, out=out_logits)
        np.matmul(logits, decoder, out=out_h)
        np.matmul(logits.T, h, out=out_decoder)
        return 0.0

    return step


CONTENDERS = {
    "seqdl": ours,
    "PyTorch": torch_eager,
    "PyTorch compile": torch_compile,
    "JAX": jax_jit,
    "floor": floor,
}
OWN = ("seqdl", "floor")


def bench(options: Options) -> None:
    ledger, rows = Ledger("train_rnn"), []
    for threads in options.threads:
        compiled = threads == options.threads[-1] and not options.quick  # setting it up takes minutes
        contenders = [name for name in CONTENDERS if compiled or name != "PyTorch compile"]
        for case in map(with_file, measure.chosen(CASES, options)):
            results = measure.compare(__file__, case, contenders, OWN, threads, options)
            ledger.peer_failures(results, case)
            rows.append(measure.row("training", CONTENDERS, case, threads, results, ledger))
    head = ["characters/s, training", "threads", *CONTENDERS, "over the best peer", "of the floor", "of the limit",
            "peak MB: seqdl / PyTorch / JAX"]  # fmt: skip
    most = [r for name, r in ledger.ratios.items() if name.endswith(f"{options.threads[-1]} threads")]
    mean = measure.geometric_mean(most) if most else float("nan")
    said = f"Over the best peer on {options.threads[-1]} threads, geometric mean: **{mean:.2f}**."
    ledger.summary = [f"training a character model, {options.threads[-1]} threads, geometric mean | {mean:.2f}"]
    measure.publish(ledger, f"{measure.table(head, rows)}\n\n{said}", options)


if __name__ == "__main__":
    measure.main(CONTENDERS, bench, __doc__)
