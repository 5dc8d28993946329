"""Slow twins of the kernels: each written from its formula, with loops, in the plainest way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray

TANH_BOUND = 4e-7  # documented in seqdl/kernels/recurrent.py: absolute error of tanh and sigmoid in float32


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm_layer(gates: Array, w_hh: Array, h: Array, c: Array, reverse: bool = False) -> tuple[Array, Array]:
    """h and c after each step (T, B, H), from x W_ih' + b (T, B, 4H) and the initial h, c (B, H)."""
    all_h, all_c = np.empty((2, *gates.shape[:2], h.shape[1]))
    for t in _times(gates, reverse):
        i, f, g, o = np.split(gates[t] + h @ w_hh.T, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        all_h[t], all_c[t] = h, c
    return all_h, all_c


def gru_layer(gates: Array, w_hh: Array, b_hh: Array, h: Array, reverse: bool = False) -> tuple[Array, Array, Array]:
    """h after each step (T, B, H), the activated gates (T, B, 3H), and h W_hn' + b_hn (T, B, H)."""
    H = h.shape[1]
    all_h, hidden = np.empty((2, *gates.shape[:2], H))
    activated = np.empty(gates.shape)
    for t in _times(gates, reverse):
        recurrent = h @ w_hh.T + b_hh
        r = sigmoid(gates[t, :, :H] + recurrent[:, :H])
        z = sigmoid(gates[t, :, H : 2 * H] + recurrent[:, H : 2 * H])
        n = np.tanh(gates[t, :, 2 * H :] + r * recurrent[:, 2 * H :])
        h = (1 - z) * n + z * h
        all_h[t], activated[t], hidden[t] = h, np.hstack([r, z, n]), recurrent[:, 2 * H :]
    return all_h, activated, hidden


def _times(gates: Array, reverse: bool) -> list[int]:
    return list(range(len(gates)))[:: -1 if reverse else 1]


def lstm(x: Array, h: Array, c: Array, weights: Sequence[Array], directions: int) -> tuple[Array, ...]:
    """A stack of LSTM layers as torch.nn.LSTM: out (T, B, S H), final h and c (L S, B, H)."""
    final_h, final_c = [], []
    for layer in range(len(weights) // 4 // directions):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            w_ih, w_hh, b_ih, b_hh = weights[4 * k : 4 * k + 4]
            all_h, all_c = lstm_layer(x @ w_ih.T + b_ih + b_hh, w_hh, h[k], c[k], direction == 1)
            outputs.append(all_h)
            final_h.append(all_h[0 if direction else -1])
            final_c.append(all_c[0 if direction else -1])
        x = np.concatenate(outputs, axis=2)
    return x, np.stack(final_h), np.stack(final_c)


def gru(x: Array, h: Array, weights: Sequence[Array], directions: int) -> tuple[Array, ...]:
    """A stack of GRU layers as torch.nn.GRU: out (T, B, S H) and the final h (L S, B, H)."""
    final = []
    for layer in range(len(weights) // 4 // directions):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            w_ih, w_hh, b_ih, b_hh = weights[4 * k : 4 * k + 4]
            all_h = gru_layer(x @ w_ih.T + b_ih, w_hh, b_hh, h[k], direction == 1)[0]
            outputs.append(all_h)
            final.append(all_h[0 if direction else -1])
        x = np.concatenate(outputs, axis=2)
    return x, np.stack(final)


def pixel(image: Array, row: int, column: int) -> float:
    """Zero outside of the image."""
    inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
    return image[row, column] if inside else 0.0


def conv2d(
    x: Array,
    weight: Array,
    bias: Array,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> Array:
    """out[b, o, p, q] = bias[o] + sum by c, i, j of w[o, c, i, j] x[b, c, p s - P + i d, q s - P + j d]."""
    (B, C, *image), (O, _, *kernel) = x.shape, weight.shape
    size = [(image[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)]
    out = np.empty((B, O, *size))
    for b, o, p, q in np.ndindex(*out.shape):
        out[b, o, p, q] = bias[o]
        for c, i, j in np.ndindex(C, *kernel):
            row = p * stride[0] - padding[0] + i * dilation[0]
            column = q * stride[1] - padding[1] + j * dilation[1]
            out[b, o, p, q] += weight[o, c, i, j] * pixel(x[b, c], row, column)
    return out


def pool_starts(length: int, size: int, stride: int, padding: int, ceil_mode: bool) -> list[int]:
    """Where windows begin. Whole ones; ceil_mode adds one that hangs over, if it begins before the end."""
    starts = [s for s in range(-padding, length + padding, stride) if s + size <= length + padding]
    after = starts[-1] + stride if starts else -padding
    covered = starts[-1] + size if starts else -padding
    if ceil_mode and covered < length + padding and after < length:
        starts.append(after)
    return starts


def max_pool2d(
    x: Array, size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], ceil_mode: bool
) -> tuple[Array, Array]:
    """Largest value of each window, and row * W + column of the first place that holds it."""
    H, W = x.shape[2:]
    rows = pool_starts(H, size[0], stride[0], padding[0], ceil_mode)
    columns = pool_starts(W, size[1], stride[1], padding[1], ceil_mode)
    out = np.empty((*x.shape[:2], len(rows), len(columns)))
    where = np.empty(out.shape, np.int64)
    for b, c, p, q in np.ndindex(*out.shape):
        places = [
            (i, j)
            for i in range(rows[p], rows[p] + size[0])
            for j in range(columns[q], columns[q] + size[1])
            if 0 <= i < H and 0 <= j < W
        ]
        i, j = max(places, key=lambda place: x[b, c, *place])  # the first of equals
        out[b, c, p, q], where[b, c, p, q] = x[b, c, i, j], i * W + j
    return out, where


def cross_entropy(
    logits: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Array:
    """-sum over classes k of w_k q_k log p_k, q = (1 - s) onehot + s / C; mean: by the targets' weights."""
    classes = logits.shape[1]
    w = np.ones(classes) if weight is None else weight
    losses, counted = [], 0.0
    for row, wanted in zip(logits, target, strict=True):
        loss = 0.0
        if wanted != ignore_index:
            counted += w[wanted]
            log_total = math.log(sum(math.exp(v) for v in row))
            for k in range(classes):
                q = (1 - label_smoothing) * (k == wanted) + label_smoothing / classes
                loss -= w[k] * q * (row[k] - log_total)
        losses.append(loss)
    if reduction == "none":
        return np.array(losses)
    return np.array(sum(losses) / (counted if reduction == "mean" else 1))


def binary_cross_entropy_with_logits(logits: Array, target: Array) -> Array:
    """-y log p - (1 - y) log(1 - p), p = 1 / (1 + exp(-s)): of each value."""
    losses = []
    for s, y in zip(logits.ravel(), target.ravel(), strict=True):
        p = 1 / (1 + math.exp(-s))
        losses.append(-y * math.log(p) - (1 - y) * math.log(1 - p))
    return np.array(losses).reshape(logits.shape)


def sgd_step(
    w: Array,
    g: Array,
    v: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    decay: float,
    nesterov: bool,
) -> tuple[Array, Array]:
    """New weight and velocity; no velocity (None) at the first step."""
    g = g + decay * w
    v = g if v is None else momentum * v + (1 - dampening) * g
    return w - lr * (g + momentum * v if nesterov else v), v


def adam_step(
    w: Array, g: Array, m: Array, v: Array, t: int, lr: float, b1: float, b2: float, eps: float,
    l2: float = 0.0, decay: float = 0.0,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """New weight and moments of Adam (l2) or AdamW (decay), t = 1 at the first step."""
    w = w - lr * decay * w
    g = g + l2 * w
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), m, v


def motif_hits(
    codes: Sequence[int], matrices: Sequence[Array], thresholds: Sequence[float], start: int = 0, end: int | None = None
) -> list[tuple[int, int, float]]:
    """(position, matrix, score) of all windows in [start, end) that reach their threshold. A code above 3: no score."""
    hits = []
    for position in range(start, len(codes) if end is None else min(end, len(codes))):
        for number, (matrix, threshold) in enumerate(zip(matrices, thresholds, strict=True)):
            score = motif_score(codes[position : position + len(matrix)], matrix)
            if score is not None and score >= threshold:
                hits.append((position, number, score))
    return hits


def motif_score(window: Sequence[int], matrix: Array) -> float | None:
    """Added up in the order of the columns."""
    if len(window) < len(matrix) or max(window) > 3:
        return None
    score = 0.0
    for column, code in zip(matrix.tolist(), window, strict=True):
        score += column[code]
    return score


def core_words(matrix: Array, offset: int, width: int, needed: float) -> list[int]:
    """Words of `width` bases from column `offset` on (zeros behind the last) with which the best rest suffices."""
    core = np.zeros((width, 4))
    core[: len(matrix) - offset] = matrix[offset : offset + width]
    rest = np.delete(matrix, range(offset, min(offset + width, len(matrix))), axis=0).max(axis=1).sum()
    words = enumerate(itertools.product(range(4), repeat=width))
    return [number for number, word in words if sum(core[range(width), word]) + rest >= needed]


def slopes(function: Callable[[], float], x: Array, eps: float = 1e-6) -> Array:
    """Central differences of function() by each element of x, which it reads."""
    result = np.empty(x.shape)
    for at in np.ndindex(*x.shape):
        kept = x[at]
        x[at] = kept + eps
        above = function()
        x[at] = kept - eps
        result[at] = (above - function()) / (2 * eps)
        x[at] = kept
    return result


def deficit_chances(deficits: Array, chances: Array, D: int) -> Array:
    """(D,) the chance of each sum of deficits below D: all 4^W words, one by one."""
    out = np.zeros(D)
    for word in itertools.product(range(4), repeat=len(deficits)):
        total = sum(int(deficits[w, b]) for w, b in enumerate(word))
        if total < D:
            out[total] += math.prod(chances[w, b] for w, b in enumerate(word))
    return out


def average_precision(scores: Array, truth: Array) -> float:
    """The sum over the distinct scores, from the best down, of precision times the recall gained there."""
    total, recall = 0.0, 0.0
    for score in sorted(set(scores), reverse=True):
        taken = scores >= score
        gained = (truth & taken).sum() / truth.sum() if truth.any() else math.nan
        total, recall = total + (gained - recall) * (truth & taken).sum() / taken.sum(), gained
    return total


def auroc(scores: Array, truth: Array) -> float:
    """The share of pairs of a true and a false one in which the true one is higher, half of the ties."""
    pairs = [(s > f) + (s == f) / 2 for s in scores[truth] for f in scores[~truth]]
    return sum(pairs) / len(pairs) if pairs else math.nan


def top_k_accuracy(scores: Array, truth: Array) -> float:
    """The share of true ones among the k highest; of equal scores the earlier come first."""
    k = int(truth.sum())
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    return sum(bool(truth[i]) for i in best) / k if k else math.nan


def platt_loss(a: float, b: float, logits: Array, truth: Array) -> float:
    """Cross-entropy of sigmoid(a x + b) with Platt's targets."""
    p = sigmoid(a * logits + b)
    target = np.where(truth, (truth.sum() + 1) / (truth.sum() + 2), 1 / ((~truth).sum() + 2))
    return float(-(target * np.log(p) + (1 - target) * np.log(1 - p)).sum())


def kmer_symbols(codes: Sequence[int], k: int) -> list[int]:
    """Of each base the k-mer around it as a number to the base of 4; 4^k with an unknown base or beyond the ends."""
    symbols = []
    for at in range(len(codes)):
        around = [codes[i] if 0 <= i < len(codes) else 4 for i in range(at - k // 2, at + k // 2 + 1)]
        symbols.append(4**k if 4 in around else int("".join(map(str, around)), 4))
    return symbols


def bilinear(image: Array, y: float, x: float) -> float:
    """The value between pixels, 0 outside."""
    total = 0.0
    for i in (math.floor(y), math.floor(y) + 1):
        for j in (math.floor(x), math.floor(x) + 1):
            if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
                total += (1 - abs(y - i)) * (1 - abs(x - j)) * float(image[i, j])
    return total


def bend(images: Array, matrices: Array, fields: Array) -> Array:
    """out[y, x] = image at M (x, y, 1) + field(x, y), the field bilinear between its knots."""
    out = np.empty(images.shape)
    count, height, width = images.shape
    knots = fields.shape[2]
    for n in range(count):
        for y in range(height):
            for x in range(width):
                u, v = y * (knots - 1) / (height - 1), x * (knots - 1) / (width - 1)
                moved = [bilinear(fields[n, axis], u, v) for axis in (0, 1)]
                from_x, from_y = matrices[n].astype(np.float64) @ [x, y, 1] + moved
                out[n, y, x] = bilinear(images[n], from_y, from_x)
    return out


def thicken(images: Array, amounts: Array) -> Array:
    """Mixed with the largest (smallest) of a pixel and its four neighbours; 0 beyond the edge."""
    padded = np.pad(images.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    height, width = images.shape[1:]
    places = ((1, 1), (2, 1), (0, 1), (1, 2), (1, 0))
    near = [padded[:, i : i + height, j : j + width] for i, j in places]
    most, least = np.max(near, axis=0), np.min(near, axis=0)
    a = amounts.astype(np.float64)[:, None, None]
    return images + np.abs(a) * (np.where(a > 0, most, least) - images)


def pen_stroke(a: Array, b: Array, radius: float, softness: float, shape: tuple[int, ...]) -> Array:
    """1 within the radius of the line from a to b, 0 beyond, an edge of width `softness` between."""
    out = np.zeros(shape)
    along = b.astype(np.float64) - a
    for i in range(shape[0]):
        for j in range(shape[1]):
            point = np.array([j, i]) - a.astype(np.float64)
            share = np.clip(point @ along / (along @ along), 0, 1) if along.any() else 0.0
            distance = np.linalg.norm(point - share * along)
            out[i, j] = np.clip((radius - distance) / softness + 0.5, 0, 1)
    return out


def cheapest_seams(ink: Array, drift: float) -> Array:
    """The cost of each pixel and of the cheapest way to it from the top, stepping down or down and aside."""
    out = np.empty(ink.shape)
    for (i, j), own in np.ndenumerate(ink):
        ways = [out[i - 1, k] + drift * abs(k - j) for k in (j - 1, j, j + 1) if i and 0 <= k < ink.shape[1]]
        out[i, j] = own + min(ways, default=0)
    return out


def interpolated(grid: Array, y: float, x: float) -> Array:
    """The values (...) of a grid (G, K, ...) between its places, bilinear, the edge's beyond it."""
    y, x = min(max(y, 0), len(grid) - 1), min(max(x, 0), grid.shape[1] - 1)
    total = np.zeros(grid.shape[2:])
    for i in range(len(grid)):
        for j in range(grid.shape[1]):
            total += max(0, 1 - abs(y - i)) * max(0, 1 - abs(x - j)) * grid[i, j]
    return total


def absorbed(photo: Array, scales: Array, step: int, size: int) -> Array:
    """Blank paper's sum less each channel's mean over a block times its scale, before it is rounded."""
    out = np.empty((photo.shape[0] // size, photo.shape[1] // size))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            middle_y, middle_x = ((n + 0.5) * size / step - 0.5 for n in (y, x))
            scale = interpolated(scales.astype(np.float64), middle_y, middle_x)
            block = photo[y * size : (y + 1) * size, x * size : (x + 1) * size].mean(axis=(0, 1))
            out[y, x] = scale[-1] - (scale[:-1] * block).sum()
    return out


def cubic_kernel(t: float) -> float:
    """Catmull and Rom's: the cubic convolution kernel with a = -1/2."""
    t = abs(t)
    if t < 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def resampled(image: Array, inverse: Array, shape: tuple[int, int]) -> Array:
    """Cubic convolution at inverse @ (x, y, 1), the edge's pixels beyond the edge, 0 farther out; not rounded."""
    out = np.zeros(shape)
    height, width = image.shape
    for y in range(shape[0]):
        for x in range(shape[1]):
            u, v = inverse.astype(np.float64) @ [x, y, 1]
            if -0.5 <= u <= width - 0.5 and -0.5 <= v <= height - 0.5:
                for i in range(math.floor(v) - 1, math.floor(v) + 3):
                    for j in range(math.floor(u) - 1, math.floor(u) + 3):
                        value = float(image[min(max(i, 0), height - 1), min(max(j, 0), width - 1)])
                        out[y, x] += cubic_kernel(v - i) * cubic_kernel(u - j) * value
    return out.clip(0, 255)


def sauvola_threshold(grey: Array, reach: int, settings: Array) -> Array:
    """The larger of m + share (level - m) (1 - s / spread) and the floor, over the window around each pixel."""
    level, spread, share, floor = settings.astype(np.float64)
    out = np.empty(grey.shape)
    for y in range(grey.shape[0]):
        for x in range(grey.shape[1]):
            window = grey[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].astype(np.float64)
            m, s = window.mean(), window.std()
            out[y, x] = max(m + share * max(level - m, 0) * max(1 - s / spread, 0), floor)
    return out


def run_through_pixel(line: Array, at: int) -> int:
    """How many pixels of ink in a row there are around one."""
    before, after = line[: at + 1][::-1], line[at:]
    return int(np.argmin([*before, False]) + np.argmin([*after, False]) - 1)


def stroke_widths(mask: Array, step: int, longest: int) -> Array:
    """How many pixels of ink of every step-th row are in a run, the shorter of the two, of each length."""
    counts = np.zeros(longest + 1, np.int64)
    for y in range(step // 2, len(mask), step):
        for x in np.flatnonzero(mask[y]):
            counts[min(run_through_pixel(mask[y], x), run_through_pixel(mask[:, x], y), longest)] += 1
    return counts


def soft_edged(grey: Array, mask: Array, written: Array, reach: int, full: Array) -> Array:
    """full[grey] within reach of what is written, but not on other ink; 255 on what is written and was no ink."""
    out = np.zeros_like(grey)
    for y in range(grey.shape[0]):
        for x in range(grey.shape[1]):
            near = written[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].any()
            if near and (written[y, x] or not mask[y, x]):
                out[y, x] = full[grey[y, x]]
            if written[y, x] and not mask[y, x]:
                out[y, x] = 255
    return out
