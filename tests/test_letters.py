"""The model that names characters: its file, its probabilities, and how it is judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seqdl import nn
from seqdl.errors import ModelFileError, UsageError
from seqdl.modelfile import save_model
from seqdl.tensor import no_grad
from seqdl_data.images import ImageSet
from seqdl_vision import evaluation
from seqdl_vision.evaluation import corrupted, figures, judge, judge_logits
from seqdl_vision.letters import KIND, Letters, build
from seqdl_vision.network import NETWORKS, pictures

LABELS = ("", "7", "A", "a", "Cc")


def letters(network: str = "residual", labels: tuple[str, ...] = LABELS) -> Letters:
    architecture = {"network": network, **({"width": 4} if network == "residual" else {})}
    built = build(architecture, len(labels), np.random.default_rng(1))
    return Letters(built.eval(), architecture, labels, temperature=1.5)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, 28, 28), np.uint8)


def labelled(labels: list[int], classes: tuple[str, ...]) -> ImageSet:
    return ImageSet(images(len(labels)), np.array(labels), classes, np.full(len(labels), ""), None)


def test_the_networks_of_the_series_have_its_numbers_of_weights() -> None:
    counts = {"hello-dl": (26, 137_178), "mlp": (10, 784 * 128 + 128 + 128 * 64 + 64 + 640 + 10)}
    for name, (labels, weights) in counts.items():
        assert sum(p.size for p in build({"network": name}, labels).parameters()) == weights


def test_our_network_has_fewer_weights_than_a_million_and_a_half() -> None:
    assert sum(p.size for p in build({"network": "residual"}, 48).parameters()) < 1.5e6
    assert sum(p.size for p in build({"network": "residual", "depth": 2}, 48).parameters()) < 1.5e6


def test_depth_adds_pairs_to_each_stage_and_a_convolution_to_the_stem() -> None:
    shallow, deep = (build({"network": "residual", "width": 2, "depth": depth}, 3).state_dict() for depth in (1, 3))
    assert shallow.keys() < deep.keys()
    added = {name.rpartition(".conv")[0] for name in deep.keys() - shallow.keys() if name.endswith("conv.weight")}
    pairs = {f"stage{s}.more.{n}.{unit}" for s in (1, 2) for n in (0, 1) for unit in ("first", "second")}
    assert added == pairs | {"more.0", "more.1"}


def test_an_untrained_model_learns_and_is_judged_without_dropout() -> None:
    model = Letters.untrained("0123", "mlp", generator=np.random.default_rng(1), dropout=0.5)
    assert (model.labels, model.architecture) == (("0", "1", "2", "3"), {"network": "mlp", "dropout": 0.5})
    np.testing.assert_array_equal(model.logits(images(3)), model.logits(images(3)))
    assert model.network.training
    once, again = (model.network(pictures(images(3))).data for _ in range(2))
    assert (once != again).any()


def test_an_untrained_model_has_the_weights_that_its_generator_draws() -> None:
    once, again, other = (Letters.untrained("ab", "mlp", generator=np.random.default_rng(n)) for n in (1, 1, 2))
    np.testing.assert_array_equal(once.logits(images(2)), again.logits(images(2)))
    assert (once.logits(images(2)) != other.logits(images(2))).any()


def test_an_untrained_model_of_no_network_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no network 'gpt': it must be one of .*residual"):
        Letters.untrained("ab", "gpt")


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_reads_any_number_of_pictures(name: str) -> None:
    model = letters(name)
    assert model.logits(images(3)).shape == (3, 5)
    assert model.logits(images(0)).shape == (0, 5)
    assert model.logits(images(2)).dtype == np.float32


def test_pictures_of_bytes_and_of_shares_are_the_same() -> None:
    some = images(2)
    np.testing.assert_array_equal(pictures(some), pictures(some.astype(np.float32) / np.float32(255)))


def test_a_model_comes_back_from_its_file(tmp_path: Path) -> None:
    model = letters()
    model.save(tmp_path / "m.safetensors")
    again = Letters.load(tmp_path / "m.safetensors")
    assert again.labels == LABELS
    assert again.temperature == 1.5
    np.testing.assert_allclose(again.probabilities(images(4)), model.probabilities(images(4)), rtol=1e-4)


def test_a_loaded_model_reads_by_folded_convolutions(tmp_path: Path) -> None:
    model = letters()
    for part in (model.network.stem.norm, model.network.stage2.second.norm):
        part.running_mean[:], part.running_var[:] = 0.2, 3
    model.save(tmp_path / "letters.safetensors")
    loaded, some = Letters.load(tmp_path / "letters.safetensors"), images(5)
    assert not any(isinstance(part, nn.BatchNorm2d) for _, part in loaded.folded.named_modules())
    assert loaded.network.state_dict().keys() == model.network.state_dict().keys()
    np.testing.assert_allclose(loaded.logits(some), model.logits(some), rtol=1e-4, atol=1e-5)


def test_probabilities_are_the_softmax_of_tempered_logits() -> None:
    model = letters()
    odds = np.exp(model.logits(images(3)).astype(np.float64) / 1.5)
    np.testing.assert_allclose(model.probabilities(images(3)), odds / odds.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a", "b"]}, "does not fit"),
        ({"architecture": {"network": "unheard"}}, "unheard"),
        ({"architecture": {"network": "residual", "breadth": 3}}, "breadth"),
        ({"temperature": "warm"}, "warm"),
        ({"labels": 5}, "damaged"),
    ],
)
def test_a_damaged_model_is_an_error_that_names_the_file(tmp_path: Path, change: dict, message: str) -> None:
    model = letters()
    card = {"architecture": model.architecture, "labels": list(LABELS), "temperature": 1.0} | change
    save_model(tmp_path / "m.safetensors", KIND, model.network.state_dict(), json.loads(json.dumps(card)))
    with pytest.raises(ModelFileError, match=message) as caught:
        Letters.load(tmp_path / "m.safetensors")
    assert str(tmp_path / "m.safetensors") in str(caught.value)


def test_labels_that_no_class_fits_are_no_choice() -> None:
    logits = np.array([[9.0, 9.0, 1.0, 0.0, 2.0]])  # junk and digit would win
    judged = judge_logits(logits, LABELS, 1.0, labelled([1], ("Aa", "Cc")))
    assert judged.labels == ("A", "a", "Cc")
    assert judged.probabilities.sum() == pytest.approx(1)
    assert judged.correct.tolist() == [True]


def test_either_case_is_right_where_the_data_do_not_know_it() -> None:
    logits = np.array([[0, 0, 3.0, 0, 0], [0, 0, 0, 3.0, 0], [0, 0, 0, 0, 3.0]])
    assert judge_logits(logits, LABELS, 1.0, labelled([0, 0, 0], ("Aa", "c"))).correct.tolist() == [True, True, False]
    known = labelled([0, 0, 1], ("a", "c", "A"))
    assert judge_logits(logits, LABELS, 1.0, known).correct.tolist() == [False, True, True]
    assert judge_logits(logits, LABELS, 1.0, known, merge_case=True).correct.tolist() == [True, True, True]


def test_merging_the_cases_adds_their_probabilities() -> None:
    logits = np.log([[0.01, 0.01, 0.3, 0.3, 0.38]])
    judged = judge_logits(logits, LABELS, 1.0, labelled([0], ("a", "A", "C")), merge_case=True)
    assert judged.labels == ("Aa", "Cc")
    np.testing.assert_allclose(judged.probabilities, [[0.6 / 0.98, 0.38 / 0.98]])
    assert judged.correct.all()


def test_a_network_of_ones_own_is_judged_by_the_classes_and_goes_on_training() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 3))
    data = labelled([0, 1, 2, 2], ("a", "b", "c"))
    with no_grad():
        expected = network.eval()(pictures(data.images)).data
    judged = judge(network.train(), data)
    np.testing.assert_array_equal(judged.guess, expected.argmax(axis=1))
    assert judged.labels == ("a", "b", "c")
    assert all(part.training for _, part in network.named_modules())


def test_to_judge_a_network_changes_nothing_in_it() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(784, 3))
    before = {name: array.copy() for name, array in network.state_dict().items()}
    judge(network, labelled([0, 1, 2], ("a", "b", "c")))
    assert "0.running_mean" in before
    for name, array in network.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_pictures_in_place_of_the_data_are_those_that_are_judged() -> None:
    data, model = labelled([0, 1], ("A", "a")), letters()
    spoilt = corrupted(data.images)
    judged = judge(model, data, images=spoilt)
    assert judged.images is spoilt
    assert (judged.probabilities != judge(model, data).probabilities).any()


def test_a_network_with_another_number_of_logits_is_wrong_use() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    with pytest.raises(UsageError, match=r"gives \(10,\) logits, the data have 2 classes"):
        judge(network, labelled([0], ("a", "b")))


def test_figures_of_a_small_case_by_hand() -> None:
    chances = np.array([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.4, 0.25, 0.35]])
    judged = judge_logits(np.log(chances), ("a", "b", "Cc"), 1.0, labelled([0, 0, 2], ("a", "b", "c")))
    got = figures(judged)
    assert (got.count, got.accuracy, got.top2) == (3, pytest.approx(1 / 3), pytest.approx(1))
    assert got.nats == pytest.approx(-np.log([0.9, 0.2, 0.35]).mean())
    assert got.calibration_error == pytest.approx((abs(0.9 - 1) + 0.7 + 0.4) / 3)
    np.testing.assert_array_equal(evaluation.confusion(judged), [[1, 1, 0], [0, 0, 0], [1, 0, 0]])


def test_corrupted_pictures_are_moved_by_two_pixels_at_most_and_five_inverted() -> None:
    image = np.zeros((300, 28, 28), np.uint8)
    image[:, 10:14, 10:14] = 255
    spoilt = corrupted(image)
    centres = np.array([np.argwhere(p > 0.5).mean(axis=0) for p in spoilt])
    assert set(np.round(np.abs(np.median(centres, axis=0) - 11.5))) <= {0, 1, 2}
    differing = [min(np.abs(np.roll(image[0] / 255, (i, j), (0, 1)) - p).sum() for i in R for j in R) for p in spoilt]
    assert max(differing) <= 5
    assert np.mean(differing) > 4.8
    np.testing.assert_array_equal(spoilt, corrupted(image))


def test_with_a_generator_pictures_are_spoilt_anew_each_time() -> None:
    generator, image = np.random.default_rng(1), images(3)
    once, again = corrupted(image, generator), corrupted(image, generator)
    assert (once != again).any()
    np.testing.assert_array_equal(once, corrupted(image, np.random.default_rng(1)))


def test_pictures_can_be_moved_alone_or_have_pixels_inverted_alone() -> None:
    image = np.zeros((50, 28, 28), np.uint8)
    image[:, 10:14, 10:14] = 255
    assert (corrupted(image, shift=2, flips=0).sum(axis=(1, 2)) == 16).all()
    assert 1 < np.count_nonzero(corrupted(image, shift=0, flips=3) != image / 255) / 50 <= 3
    np.testing.assert_array_equal(corrupted(image, shift=0, flips=0), image / np.float32(255))


R = range(-2, 3)


def test_what_leaves_the_picture_does_not_come_in_on_the_other_side() -> None:
    image = np.zeros((200, 28, 28), np.uint8)
    image[:, 0] = 255
    assert max(np.count_nonzero(p[20:] > 0.5) for p in corrupted(image)) <= 5


def test_without_a_label_for_it_nothing_is_junk() -> None:
    assert not evaluation.is_junk(letters(labels=("a", "b")), images(2)).any()
    assert (evaluation.is_junk(letters(), images(2)) > 0).all()


def test_sequential_parts_are_in_evaluation_after_loading(tmp_path: Path) -> None:
    model = letters()
    model.network.train()
    model.save(tmp_path / "m.safetensors")
    assert not any(part.training for _, part in Letters.load(tmp_path / "m.safetensors").network.named_modules())
