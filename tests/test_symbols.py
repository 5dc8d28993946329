"""Labels as strings of the characters they may be."""

from __future__ import annotations

import string

import numpy as np

from seqdl_vision.symbols import NO_CHARACTER, fits, model_labels, without_case

MERGED = [letter.upper() + letter for letter in string.ascii_lowercase]


def test_merged_letters_alone_teach_26_labels() -> None:
    assert model_labels(MERGED) == tuple(MERGED)


def test_letters_of_known_case_teach_37_and_digits_47_as_emnists_balanced_set() -> None:
    assert len(model_labels([*MERGED, *string.ascii_letters])) == 37
    labels = model_labels([*string.ascii_letters, *string.digits])
    assert len(labels) == 47
    assert labels[:15] == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "a", "B", "b", "Cc")


def test_one_case_that_is_known_does_not_invent_the_other() -> None:
    assert model_labels(["A", "c", "w"]) == ("A", "Cc", "Ww")


def test_a_class_fits_the_labels_that_share_a_character() -> None:
    table = fits(["Aa", "a", "Cc", "c", "7"], [NO_CHARACTER, "A", "a", "Cc", "7"])
    np.testing.assert_array_equal(
        table.astype(int),
        [[0, 1, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
    )


def test_cases_merge_in_the_order_of_the_classes() -> None:
    names, own = without_case(["b", "A", "B", "Cc", "a", "7"])
    assert names == ("Bb", "Aa", "Cc", "7")
    np.testing.assert_array_equal(own, [0, 1, 0, 2, 1, 3])
