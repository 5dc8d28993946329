"""Choosing symbols, writing and scoring against slow twins; vocabularies as properties."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqdl import get_num_threads, set_num_threads
from seqdl.errors import InputError, UsageError
from seqdl.kernels import sampling as kernels
from seqdl.quantisation import quantise_rows
from seqdl.tensor import no_grad
from seqdl.text import CharModel, SamplingOptions
from seqdl.text.decoding import Piece, TextDecoder
from seqdl.text.model import CHUNK, CHUNK_OF_MANY
from seqdl.text.network import CharNetwork
from seqdl.text.sampling import RANGES, for_streams
from seqdl.text.scoring import surprisal
from seqdl.text.streams import mean_nats, pack
from seqdl.text.vocabulary import ByteVocabulary, CharVocabulary, vocabulary_from

Array = np.ndarray
OFF: dict[str, Any] = {"temperature": 1.0}


def pick(logits: Any, counts: Any = None, allowed: Any = None, chance: float = 0.0, **options: Any) -> int:
    logits = np.asarray(logits, np.float32)
    counts = np.zeros(len(logits), np.int64) if counts is None else np.asarray(counts, np.int64)
    allowed = np.ones(len(logits), np.bool_) if allowed is None else np.asarray(allowed, np.bool_)
    return chosen(logits, allowed, counts, SamplingOptions(**(OFF | options)), chance)


def chosen(logits: Array, allowed: Array, counts: Array, options: SamplingOptions, chance: float) -> int:
    scratch = np.full((2, len(logits)), np.nan)
    return int(kernels.pick(logits, allowed, counts, for_streams([options])[0], chance, scratch))


def naive_distribution(logits: Array, allowed: Array, counts: Array, o: SamplingOptions) -> dict[int, float]:
    """The probability of each symbol that may be drawn, in order: each filter a line, from its definition."""
    scores = {}
    for v in np.flatnonzero(allowed).tolist():
        score = float(logits[v])
        if counts[v]:
            score = score / o.repeat_penalty if score > 0 else score * o.repeat_penalty
            score -= o.presence_penalty + counts[v] * o.frequency_penalty
        scores[v] = score
    kept = sorted(scores, key=lambda v: (-scores[v], v))
    if o.temperature == 0:
        return {kept[0]: 1.0}
    kept = kept[: o.top_k] if o.top_k else kept
    p = softmax([scores[v] for v in kept])
    kept = [v for k, v in enumerate(kept) if k == 0 or sum(p[:k]) < o.top_p]  # what comes before does not reach it
    p = softmax([scores[v] for v in kept])
    kept = [v for v, share in zip(kept, p, strict=True) if share >= o.min_p * p[0]]
    kept.sort()
    return dict(zip(kept, softmax([scores[v] / o.temperature for v in kept]), strict=True))


def softmax(scores: list[float]) -> list[float]:
    weights = [math.exp(score - max(scores)) for score in scores]
    return [weight / sum(weights) for weight in weights]


OPTIONS = st.builds(
    SamplingOptions,
    temperature=st.sampled_from([0.0, 0.31, 1.0, 2.7]),
    top_k=st.sampled_from([0, 1, 3, 1000]),
    top_p=st.sampled_from([0.0, 0.613, 0.957, 1.0]),
    min_p=st.sampled_from([0.0, 0.0213, 0.317, 1.0]),
    repeat_penalty=st.sampled_from([1.0, 1.37, 0.71]),
    presence_penalty=st.sampled_from([0.0, 0.913, -0.417]),
    frequency_penalty=st.sampled_from([0.0, 0.619, -0.223]),
)


@settings(deadline=None, max_examples=300)
@given(OPTIONS, st.integers(0, 2**32 - 1), st.integers(1, 20), st.booleans())
def test_pick_draws_as_the_twin(options: SamplingOptions, seed: int, V: int, all_allowed: bool) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, V).astype(np.float32)
    allowed = np.ones(V, np.bool_) if all_allowed else rng.random(V) < 0.7
    allowed[rng.integers(V)] = True
    counts = rng.integers(0, 4, V) * (rng.random(V) < 0.5)
    twin = naive_distribution(logits, allowed, counts, options)
    edges = np.cumsum(list(twin.values()))
    for chance in rng.random(10):
        ours = chosen(logits, allowed, counts, options, chance)
        assert ours == list(twin)[min(int(np.searchsorted(edges, chance, "right")), len(twin) - 1)]


# Each filter alone, on shares that one can add up: 40%, 30%, 20%, 10%

LOGITS = np.log([0.2, 0.4, 0.1, 0.3])  # of symbols 0 to 3, so 1 is likeliest, then 3, 0, 2
EVEN = np.linspace(0, 0.999, 50)


def drawn(**options: Any) -> set[int]:
    return {pick(LOGITS, chance=chance, **options) for chance in EVEN}


def test_chance_walks_through_the_symbols_in_order() -> None:
    chances = (0.0, 0.19, 0.21, 0.59, 0.61, 0.69, 0.71, 0.999)
    assert [pick(LOGITS, chance=c) for c in chances] == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(("k", "left"), [(0, {0, 1, 2, 3}), (1, {1}), (2, {1, 3}), (3, {1, 3, 0}), (9, {0, 1, 2, 3})])
def test_top_k_keeps_the_k_likeliest(k: int, left: set[int]) -> None:
    assert drawn(top_k=k) == left


@pytest.mark.parametrize(
    ("p", "left"),
    [(0.0, {1}), (0.39, {1}), (0.41, {1, 3}), (0.71, {1, 3, 0}), (0.91, {0, 1, 2, 3}), (1.0, {0, 1, 2, 3})],
)
def test_top_p_keeps_the_fewest_that_reach_p(p: float, left: set[int]) -> None:
    assert drawn(top_p=p) == left


@pytest.mark.parametrize(
    ("p", "left"), [(0.0, {0, 1, 2, 3}), (0.24, {0, 1, 2, 3}), (0.26, {0, 1, 3}), (0.51, {1, 3}), (1.0, {1})]
)
def test_min_p_is_relative_to_the_likeliest(p: float, left: set[int]) -> None:
    assert drawn(min_p=p) == left


def test_top_p_counts_after_top_k() -> None:
    assert drawn(top_k=2, top_p=0.56) == {1}  # 40 of 70 percent is 0.571
    assert drawn(top_p=0.56) == {1, 3}


def test_filters_come_before_the_temperature() -> None:
    assert drawn(top_p=0.41, temperature=50.0) == {1, 3}  # at this temperature all four are alike
    assert drawn(min_p=0.51, temperature=50.0) == {1, 3}


def test_temperature_zero_takes_the_likeliest_whatever_the_chance() -> None:
    assert drawn(temperature=0.0) == {1}
    assert drawn(temperature=0.0, top_k=3, top_p=0.9) == {1}


def test_temperature_flattens() -> None:
    assert pick([math.log(4), 0], chance=0.7) == 0
    assert pick([math.log(4), 0], chance=0.7, temperature=2.0) == 1  # 2 : 1


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_ties_go_to_the_smaller_symbol(temperature: float) -> None:
    assert pick([1, 2, 2, 2], temperature=temperature, top_k=1) == 1


def test_symbols_that_are_not_allowed_are_never_drawn() -> None:
    allowed = [False, True, True, False]
    assert {pick([9, 1, 1, 9], allowed=allowed, chance=c) for c in EVEN} == {1, 2}
    assert pick([9, 1, 2, 9], allowed=allowed, temperature=0.0) == 2
    assert pick([-9, -1, -2, -9], allowed=allowed, counts=[5, 5, 5, 5], temperature=0.0, repeat_penalty=9.0) == 1


def test_repeat_penalty_divides_positive_and_multiplies_negative_scores() -> None:
    greedy = {"temperature": 0.0, "repeat_penalty": 2.0}
    assert pick([3, 2], [1, 0], **greedy) == 1  # 1.5 < 2
    assert pick([5, 2], [1, 0], **greedy) == 0
    assert pick([-2, -3], [1, 0], **greedy) == 1  # -4 < -3
    assert pick([3, 2], [7, 0], **greedy) == 1  # once, however often
    assert pick([5, 2], [7, 0], **greedy) == 0


def test_presence_counts_once_and_frequency_each_time() -> None:
    assert pick([3, 2], [1, 0], temperature=0.0, presence_penalty=1.5) == 1
    assert pick([5, 2], [9, 0], temperature=0.0, presence_penalty=1.5) == 0
    assert pick([3, 2], [1, 0], temperature=0.0, frequency_penalty=0.6) == 0
    assert pick([3, 2], [2, 0], temperature=0.0, frequency_penalty=0.6) == 1


def test_frequencies_of_draws_are_the_probabilities() -> None:
    N, options = 20_000, SamplingOptions(temperature=0.7, top_p=0.95)
    logits = np.random.default_rng(0).normal(0, 2, 12).astype(np.float32)
    nobody = np.zeros(12, np.int64)
    every = np.ones(12, np.bool_)
    chances = np.random.default_rng(1).random(N)
    counts = np.bincount([chosen(logits, every, nobody, options, c) for c in chances], minlength=12)
    twin = naive_distribution(logits, every, nobody, options)
    for v in range(12):
        p = twin.get(v, 0.0)
        assert abs(counts[v] / N - p) <= 4.5 * math.sqrt(p * (1 - p) / N)


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("beyond", [-math.inf, math.inf, math.nan])
def test_options_out_of_range_are_refused(name: str, beyond: float) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} must be between"):
        SamplingOptions(**{name: beyond})


# The network, one symbol after the other


def network_and_twin(cell: str, layers: int, text: Array) -> tuple[CharNetwork, Array]:
    """A network of 5 symbols, and its logits (T, 5) after each symbol, by the slow twin in float64."""
    network = CharNetwork(5, cell, 6, layers, generator=np.random.default_rng(layers)).eval()
    weights = [p.data.astype(np.float64) * 2 for p in network.rnn.parameters()]
    for parameter, w in zip(network.rnn.parameters(), weights, strict=True):
        parameter.data[...] = w
    one_hot = np.eye(5)[text][:, None, :]
    zero = np.zeros((layers, 1, 6))
    states = (zero, zero) if cell == "lstm" else (zero,)
    out = getattr(naive, cell)(one_hot, *states, weights, 1)[0]
    decoder = network.decoder
    assert decoder.bias is not None
    return network, out[:, 0] @ decoder.weight.data.T.astype(np.float64) + decoder.bias.data


CELLS = pytest.mark.parametrize("cell", ["lstm", "gru"])


def test_generate_is_the_same_in_one_piece_or_many(model_file) -> None:
    model = CharModel.load(model_file)
    whole = list(model.generate("In line", 5 * CHUNK, seed=4))
    for length in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1):
        symbols = [symbol for piece in model.generate("In line", length, seed=4) for symbol in piece.symbols]
        assert symbols == [symbol for piece in whole for symbol in piece.symbols][: len(symbols)]
        assert length - 3 <= len(symbols) <= length  # the bytes of a character that is not complete are missing


# Many texts at once


@pytest.fixture
def one_thread_afterwards() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


PROMPTS = ["In line", "", "In line", "the quick brown fox", "é\n", "jumps over", "In line 12"]
MANY = {
    "plain": {},
    "likeliest": {"options": SamplingOptions(temperature=0.0)},
    "filters": {"options": SamplingOptions(temperature=1.3, top_k=20, top_p=0.9, min_p=0.01)},
    "penalties": {"options": SamplingOptions(repeat_penalty=1.3, repeat_last_n=9, frequency_penalty=0.2)},
    "stop": {"stop": ["dogs", "fox n"]},
}


@pytest.mark.usefixtures("one_thread_afterwards")
@CELLS
@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_many_texts_have_the_bits_that_each_has_alone(
    name: str, threads: int, cell: str, scheme: str, model_file: Path
) -> None:
    model = CharModel.load(model_file)
    model.card["quantised"] = scheme
    if cell == "lstm":
        network = CharNetwork(256, "lstm", 33, 2, generator=np.random.default_rng(0)).eval()
        for parameter in network.parameters():
            parameter.data *= 8  # so that it writes more than one letter
        model = CharModel(network, model.vocabulary, model.card)
    set_num_threads(threads)
    length = CHUNK_OF_MANY + 40
    together = model.generate_many(PROMPTS, length, seeds=range(7), **MANY[name])
    alone = [Piece.joined(model.generate(p, length, seed=s, **MANY[name])) for s, p in enumerate(PROMPTS)]
    assert together == alone
    assert len({piece.text for piece in together}) > 1


def test_many_texts_of_nothing(model_file: Path) -> None:
    model = CharModel.load(model_file)
    assert model.generate_many([], 5) == []
    assert model.generate_many(["a", "b"], 0) == [Piece("", [], [])] * 2


def test_many_texts_want_a_seed_each(model_file: Path) -> None:
    with pytest.raises(UsageError, match="one seed for each prompt expected, got 1 for 2"):
        CharModel.load(model_file).generate_many(["a", "b"], 5, seeds=[1])
    with pytest.raises(UsageError, match="--length must not be negative"):
        CharModel.load(model_file).generate_many(["a"], -1)


# int8


@CELLS
def test_int8_file_gives_back_its_integers(cell: str, model_file: Path, tmp_path: Path) -> None:
    network = CharNetwork(256, cell, 20, 2, generator=np.random.default_rng(0)).eval()
    model = CharModel(network, CharModel.load(model_file).vocabulary)
    model.save(tmp_path / "small", "int8")
    loaded = CharModel.load(tmp_path / "small")
    for name, parameter in loaded.network.state_dict().items():
        if parameter.ndim == 2:
            np.testing.assert_array_equal(quantise_rows(parameter)[0], quantise_rows(network.state_dict()[name])[0])
    assert loaded._weights().decoder.dtype == np.int8
    assert model._weights().decoder.dtype == np.float32


def test_int8_costs_next_to_nothing_on_a_text(model_file: Path, corpus: Path, tmp_path: Path) -> None:
    CharModel.load(model_file).save(tmp_path / "small", "int8")
    model = CharModel.load(tmp_path / "small")
    symbols = np.frombuffer(corpus.read_bytes(), np.uint8)
    float32, int8 = (mean_nats(pack(model.network, int8), False, symbols) for int8 in (False, True))
    assert float32 == pytest.approx(surprisal(model.network, symbols).mean(), abs=1e-3)
    assert int8 == pytest.approx(float32, abs=1e-4)


# Scoring


@CELLS
@pytest.mark.parametrize("layers", [1, 2])
def test_surprisal_in_one_stream_is_the_loop_over_the_network(cell: str, layers: int) -> None:
    text = np.random.default_rng(0).integers(0, 5, 300)
    network, twin = network_and_twin(cell, layers, text)
    wanted = [-math.log(softmax(row.tolist())[after]) for row, after in zip(twin[:-1], text[1:], strict=True)]
    np.testing.assert_allclose(surprisal(network, text, lanes=1), wanted, rtol=1e-4, atol=1e-5)
    state, stepwise = network.zero_state(1), []
    with no_grad():
        for symbol, after in pairwise(text):
            logits, state = network(np.array([[symbol]]), state)
            stepwise.append(-math.log(softmax(logits.data[0].tolist())[after]))
    np.testing.assert_allclose(stepwise, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lanes", [None, 2, 7, 24])
def test_surprisal_in_lanes_is_close_to_one_stream(lanes: int | None, model_file, corpus) -> None:
    network = CharModel.load(model_file).network
    text = np.frombuffer(corpus.read_bytes(), np.uint8)[:24_999]
    one, many = surprisal(network, text, 1), surprisal(network, text, lanes)
    assert one.shape == many.shape == (24_998,)
    assert many.mean() == pytest.approx(one.mean(), abs=1e-4)
    np.testing.assert_allclose(one, many, atol=0.05)
    np.testing.assert_array_equal(many, surprisal(network, text, lanes))


@pytest.mark.parametrize(("symbols", "lanes"), [(0, None), (1, None), (2, None), (2, 1), (4, 9), (10, 8), (11, 3)])
def test_surprisal_has_one_figure_less_than_symbols(symbols: int, lanes: int | None) -> None:
    network = CharNetwork(5, "gru", 6, generator=np.random.default_rng(0))
    nats = surprisal(network, np.arange(symbols) % 5, lanes)
    assert nats.shape == (max(0, symbols - 1),)
    assert np.isfinite(nats).all()
    assert network.training


# Text from symbols


def chunks(data: bytes, cuts: list[int]) -> list[tuple[Array, Array]]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    symbols, nats = np.frombuffer(data, np.uint8), np.arange(len(data)) / 8
    return [(symbols[a:b], nats[a:b]) for a, b in pairwise(edges)]


def decoded(pushes: list[tuple[Array, Array]], stop: Sequence[str] = ()) -> list[Piece]:
    decoder = TextDecoder(ByteVocabulary(), stop)
    pieces = [decoder.push(symbols.tolist(), nats.tolist()) for symbols, nats in pushes]
    return [piece for piece in [*pieces, decoder.end()] if piece is not None]


CUTS = st.lists(st.integers(0, 1000), max_size=6)


@settings(deadline=None)
@given(st.text(), CUTS)
def test_pieces_never_cut_a_character(text: str, cuts: list[int]) -> None:
    data = text.encode()
    pieces = decoded(chunks(data, cuts))
    assert "".join(piece.text for piece in pieces) == text
    for piece in pieces:
        assert bytes(piece.symbols) == piece.text.encode()
        assert len(piece.logprobs) == len(piece.symbols)
    assert [value for piece in pieces for value in piece.logprobs] == [-n / 8 for n in range(len(data))]


@given(st.text(min_size=1), CUTS, st.integers(1, 3))
def test_a_character_that_stays_incomplete_is_left_out(text: str, cuts: list[int], missing: int) -> None:
    data = text.encode()[:-missing]
    whole = data.decode(errors="ignore")
    pieces = decoded(chunks(data, cuts))
    assert "".join(piece.text for piece in pieces) == whole
    assert b"".join(bytes(piece.symbols) for piece in pieces) == whole.encode()


@given(st.binary(), CUTS)
def test_any_bytes_become_text(data: bytes, cuts: list[int]) -> None:
    pieces = decoded(chunks(data, cuts))
    text = "".join(piece.text for piece in pieces)
    assert data.decode(errors="replace").rstrip("\ufffd") == text.rstrip("\ufffd")
    assert all(len(piece.logprobs) == len(piece.symbols) for piece in pieces)
    assert data.startswith(b"".join(bytes(piece.symbols) for piece in pieces))


@given(st.text("ab", max_size=30), CUTS, st.lists(st.text("ab", max_size=4), max_size=3))
def test_text_ends_before_the_first_stop_string(text: str, cuts: list[int], stop: list[str]) -> None:
    pieces = decoded(chunks(text.encode(), cuts), stop)
    # Of several the one that is complete first ends the text, however it is cut.
    found = [(text.index(s) + len(s), text.index(s)) for s in stop if s and s in text]
    assert "".join(piece.text for piece in pieces) == (text[: min(found)[1]] if found else text)
    assert all(bytes(piece.symbols) == piece.text.encode() for piece in pieces)


@given(st.binary(max_size=20), CUTS, st.sampled_from(["a", "\ufffd", "é", "\U0001f600x"]))
def test_a_stop_string_leaves_the_symbols_of_the_text(data: bytes, cuts: list[int], stop: str) -> None:
    data += b"\xe2\x82" + stop.encode() + b"\xf0\x9f"
    pieces = decoded(chunks(data, cuts), [stop])
    written, symbols = "".join(p.text for p in pieces), b"".join(bytes(p.symbols) for p in pieces)
    assert written == data.decode(errors="replace").split(stop)[0]
    assert symbols.decode(errors="replace") == written
    assert data.startswith(symbols)
    assert [value for p in pieces for value in p.logprobs] == [-n / 8 for n in range(len(symbols))]


def test_of_overlapping_stop_strings_the_one_complete_first_ends_the_text() -> None:
    assert "".join(piece.text for piece in decoded(chunks(b"abcde", []), ["bcd", "c"])) == "ab"
    assert "".join(piece.text for piece in decoded(chunks(b"abcde", [2, 3]), ["d", "bcd"])) == "a"


def test_what_may_begin_a_stop_string_is_held_back_and_no_more() -> None:
    decoder = TextDecoder(ByteVocabulary(), ["end", "nd"])
    pushed = [decoder.push(list(text), [0.0] * len(text)) for text in (b"then the e", b"n", b"emy, the en", b"d, not")]
    assert [piece and piece.text for piece in pushed] == ["then the ", None, "enemy, the ", ""]
    assert decoder.stopped
    assert decoder.push([97], [0.0]) is None
    assert decoder.end() is None


def test_alternatives_come_with_their_symbols() -> None:
    decoder = TextDecoder(ByteVocabulary())
    pushes = [([65, 0xC3], [1.0, 2.0], [[(65, -1.0)], [(7, -0.5)]]), ([0xA9], [3.0], [[(0xA9, -3.0)]])]
    assert [decoder.push(*push) for push in pushes] == [
        Piece("A", [65], [-1.0], [[(65, -1.0)]]),
        Piece("é", [0xC3, 0xA9], [-2.0, -3.0], [[(7, -0.5)], [(0xA9, -3.0)]]),
    ]
    assert Piece.joined([]) == Piece("", [], [])


@pytest.mark.parametrize("vocabulary", [ByteVocabulary(), CharVocabulary("abc")])
def test_alternatives_are_the_likeliest_symbols(vocabulary: ByteVocabulary | CharVocabulary) -> None:
    network = CharNetwork(vocabulary.size, "gru", 8, generator=np.random.default_rng(0)).eval()
    model = CharModel(network, vocabulary)
    plain = Piece.joined(model.generate("ab", 70, seed=1, options=SamplingOptions(top_k=3)))
    assert plain.alternatives == []
    piece = Piece.joined(model.generate("ab", 70, seed=1, options=SamplingOptions(top_k=3), alternatives=9))
    assert (piece.text, piece.symbols, piece.logprobs) == (plain.text, plain.symbols, plain.logprobs)
    for symbol, logprob, likeliest in zip(piece.symbols, piece.logprobs, piece.alternatives, strict=True):
        assert len(likeliest) == min(9, vocabulary.size)
        assert likeliest == sorted(likeliest, key=lambda pair: (-pair[1], pair[0]))
        assert dict(likeliest)[symbol] == logprob
    few = model.generate_many(["ab", "c"], 70, seeds=[1, 2], options=SamplingOptions(top_k=3), alternatives=2)
    assert few[0].alternatives == [likeliest[:2] for likeliest in piece.alternatives]
    with pytest.raises(UsageError, match="alternatives must not be negative"):
        model.generate("", alternatives=-1)


def test_half_of_a_surrogate_pair_is_no_prompt(model_file: Path) -> None:
    with pytest.raises(InputError, match="character 2 is half of a surrogate pair"):
        CharModel.load(model_file).generate("ab\ud800")


def test_records_hold_the_options_and_what_is_remembered() -> None:
    options = [SamplingOptions(0.5, 2, 0.25, 0.125, 1.5, 7, 0.75, -1.0), SamplingOptions(repeat_last_n=9)]
    records = for_streams(options)
    assert records.dtype == kernels.SAMPLING
    assert records[0].tolist() == (0.5, 2, 0.25, 0.125, 1.5, 7, 0.75, -1.0)
    assert [records[name][0] for name in records.dtype.names] == list(vars(options[0]).values())
    assert records["repeat_last_n"].tolist() == [7, 0]
    assert list(records.dtype.names) == list(RANGES)


# Vocabularies


@given(st.text(), CUTS)
def test_characters_come_back_however_they_are_cut(text: str, cuts: list[int]) -> None:
    pieces = [symbols.tobytes() for symbols, _ in chunks(text.encode(), cuts)]
    vocabulary = CharVocabulary.of(pieces)
    symbols = vocabulary.encode(text.encode())
    assert vocabulary.decode(symbols.tolist()) == text.encode()
    assert len(symbols) == len(text)
    np.testing.assert_array_equal(np.concatenate([symbols[:0], *vocabulary.encode_stream(pieces)]), symbols)
    assert vocabulary.unknown_share(symbols) == (text.count("\ufffd") / len(text) if text else 0)
    assert vocabulary_from(vocabulary.metadata()).encode(text.encode()).tolist() == symbols.tolist()


@given(st.text(), st.text())
def test_unknown_characters_become_symbol_0(known: str, text: str) -> None:
    vocabulary = CharVocabulary.of([known.encode()])
    symbols = vocabulary.encode(text.encode())
    wanted = "".join(letter if letter in known else "\ufffd" for letter in text)
    assert vocabulary.decode(symbols.tolist()).decode() == wanted
    assert not vocabulary.allowed()[0]
    assert vocabulary.allowed()[1:].all()


@given(st.binary())
def test_bytes_come_back(data: bytes) -> None:
    vocabulary = ByteVocabulary()
    assert vocabulary.decode(vocabulary.encode(data).tolist()) == data
    assert vocabulary.allowed().all()


@given(st.text(), st.binary(min_size=1), CUTS)
def test_error_names_the_byte_that_is_not_utf8(text: str, rest: bytes, cuts: list[int]) -> None:
    data = text.encode() + rest
    pieces = [symbols.tobytes() for symbols, _ in chunks(data, cuts)]
    try:
        data.decode()
    except UnicodeDecodeError as error:
        for encode in (
            lambda: CharVocabulary.of(pieces, "f"),
            lambda: [*CharVocabulary("a").encode_stream(pieces, "f")],
        ):
            with pytest.raises(InputError, match=rf"^f: byte {error.start} is not UTF-8"):
                encode()
    else:
        CharVocabulary.of(pieces)


def test_one_model_writes_and_scores_in_several_threads_at_once(model_file) -> None:
    model = CharModel.load(model_file)

    def work(seed: int) -> tuple[str, float]:
        text = "".join(piece.text for piece in model.generate("In line", 300, seed=seed))
        return text, model.score(text).nats_per_symbol

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, range(8)))
    assert together == [work(seed) for seed in range(8)]
