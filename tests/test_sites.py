"""Site models: what the network reads, one answer however a record is cut, files, and why a site is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import naive
import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from seqdl import modelfile, parallel
from seqdl.dna import SiteKind, SiteModel, explain, explain_place
from seqdl.dna.examples import IGNORED, Examples
from seqdl.dna.network import SiteNetwork, kmer_symbols
from seqdl.dna.site_scanner import SiteScanner
from seqdl.dna.sitemodel import BLOCK, log_odds
from seqdl.dna.training import SiteSettings, SiteTask
from seqdl.errors import InputError, ModelFileError
from seqdl.text import CharModel
from seqdl_cli.main import app
from seqdl_data.fasta import Piece, read_fasta
from seqdl_data.nucleotides import decode, encode, reverse_complement
from seqdl_data.regions import Region
from seqdl_data.sites import UNSAID, Stretch

SPLICE = (SiteKind("donor", "donor", lead=1), SiteKind("acceptor", "acceptor"))
END = 4 * BLOCK + 133  # of the longest record
MOTIF = (SiteKind("box", lead=3, width=7),)


def make_model(
    kinds: tuple[SiteKind, ...] = SPLICE, cell: str = "gru", layers: int = 1, context: int = 20
) -> SiteModel:
    """Untrained, with weights large enough to matter."""
    network = SiteNetwork(len(kinds) + 1, cell, 6, layers, 3, 0.0, np.random.default_rng(1))
    for parameter in network.parameters():
        parameter.data *= 2
    return SiteModel(network.eval(), kinds, context, ((0.9, -1.0), (1.1, 0.5))[: len(kinds)], {"training": {"x": 1}})


@pytest.fixture(scope="module")
def model() -> SiteModel:
    return make_model()


def random_codes(length: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, length).astype(np.uint8)


def write_fasta(path: Path, **records: np.ndarray) -> Path:
    path.write_bytes(b"".join(b">%s\n%s\n" % (name.encode(), decode(codes)) for name, codes in records.items()))
    return path


class Whole(NamedTuple):
    """A record as one stretch."""

    codes: np.ndarray
    start: int = 0

    @property
    def own(self) -> tuple[int, int]:
        return 0, len(self.codes)


# What the network reads


@pytest.mark.parametrize("k", [1, 3, 5, 7])
@pytest.mark.parametrize("length", [0, 1, 2, 40])
def test_kmers_are_those_of_the_naive_twin(k: int, length: int) -> None:
    codes = np.random.default_rng(k).choice(5, (2, length), p=[0.24] * 4 + [0.04]).astype(np.uint8)
    assert kmer_symbols(codes, k).tolist() == [naive.kmer_symbols(row.tolist(), k) for row in codes]


def test_log_odds_are_those_of_the_softmax() -> None:
    logits = np.random.default_rng(1).normal(0, 3, (20, 4))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert log_odds(logits, 2) == pytest.approx(np.log(shares[:, 2] / (1 - shares[:, 2])))


# Drawing examples


def labelled(length: int, seed: int, sites: tuple[int, ...] = (), structured: bool = True) -> Stretch:
    """A stretch that tells its places: label 1 at sites, 0 wherever the base is A, structure of each base its code."""
    codes = random_codes(length, seed)
    labels = np.where(codes == 0, 0, UNSAID).astype(np.uint8)
    labels[list(sites)] = 1
    return Stretch(str(seed), codes, labels, codes.copy() if structured else None)


STRETCHES = [labelled(300, 1, (40, 290)), labelled(31, 2, (5,), structured=False), labelled(90, 3)]


def test_a_piece_is_a_part_of_one_sequence_with_the_labels_of_its_bases() -> None:
    examples = Examples(STRETCHES, 50)
    batch = examples.draw(400, 0.5, np.random.default_rng(1))
    texts = {s.record: decode(s.codes) for s in STRETCHES}
    homes = set()
    for codes, sites, structure in zip(*batch, strict=True):
        letters = decode(codes)
        home = next(s for s in STRETCHES if letters.strip(b"N") in texts[s.record])
        homes.add(home.record)
        at = texts[home.record].index(letters.strip(b"N")) - (len(letters) - len(letters.lstrip(b"N")))
        for column, place in enumerate(range(at, at + 50)):
            beyond = letters[column : column + 1] == b"N"
            unsaid = beyond or home.labels[place] == UNSAID
            assert sites[column] == (IGNORED if unsaid else home.labels[place])
            assert structure[column] == (IGNORED if beyond or home.structure is None else home.structure[place])
    assert homes == set(texts)


def test_a_piece_near_a_site_holds_one_unless_that_end_is_lost() -> None:
    batch = Examples(STRETCHES, 50).draw(5000, 1.0, np.random.default_rng(1))
    assert (batch.sites == 1).any(axis=1).mean() > 0.9
    assert set(np.nonzero(batch.sites == 1)[1]) == set(range(50))  # anywhere in the piece


def test_one_piece_in_ten_has_lost_an_end_the_others_are_whole() -> None:
    examples = Examples([labelled(300, 1, (40, 290))], 50)
    unknown = examples.draw(5000, 0.5, np.random.default_rng(1)).codes == 4
    assert unknown.any(axis=1).mean() == pytest.approx(0.1, abs=0.02)
    assert unknown.sum(axis=1).max() < 25


def test_pieces_lie_anywhere_in_proportion_to_length() -> None:
    batch = Examples(STRETCHES, 31).draw(2000, 0.0, np.random.default_rng(1))
    unstructured = (batch.structure == IGNORED).all(axis=1).mean()
    assert unstructured == pytest.approx(31 / 421, abs=0.02)


def test_pieces_are_no_longer_than_the_longest_sequence() -> None:
    assert Examples(STRETCHES, 9999).draw(2, 0.5, np.random.default_rng(1)).codes.shape == (2, 300)


@pytest.mark.parametrize("stretches", [[], [labelled(50, 1)]], ids=["no sequence", "no site"])
def test_nothing_to_draw_from(stretches: list[Stretch]) -> None:
    with pytest.raises(InputError, match="no site among"):
        SiteTask(stretches, [], SPLICE, SiteSettings())


# One answer, however a record is cut


def judged(model: SiteModel, stretches: list) -> list[tuple]:
    """Calls of each record in order, as exact numbers, by the stretch's record."""
    calls = model.judge(stretches)
    names = [getattr(s, "record", "") for s in stretches]
    rows = zip([names[i] for i in calls.stretch], *(c.tolist() for c in calls[1:4]), calls.logit.view(np.int32).tolist(), strict=True)  # fmt: skip  # noqa: E501
    return sorted(rows)


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of a little more than four blocks, one, two, a few bases, N alone, and none."""
    some = random_codes(END)
    some[2 * BLOCK + 100 : 2 * BLOCK + 160] = 4
    for edge in (BLOCK, 2 * BLOCK, 3 * BLOCK):  # a donor of the reverse strand, whose exon begins the next block
        some[edge - 2 : edge] = encode(b"AC")
    records = {"long": some, "block": random_codes(BLOCK, 2), "two": random_codes(2 * BLOCK, 3)}
    records |= {"few": encode(b"ACAGTAG"), "unknown": np.full(BLOCK + 100, 4, np.uint8), "none": random_codes(0)}
    return write_fasta(tmp_path_factory.mktemp("genome") / "g.fa", **records)


def pieces(model: SiteModel, genome: Path, size: int, regions: list[Region] | None = None) -> list[Piece]:
    flank = model.flank
    return list(read_fasta(genome, piece=size, left=flank, right=flank, regions=regions, beyond=True))


MODELS = {"gru": (SPLICE, "gru", 1), "lstm, two layers": (SPLICE, "lstm", 2), "motif": (MOTIF, "gru", 1)}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [150, BLOCK - 1, BLOCK, 3 * BLOCK + 100])
def test_pieces_of_any_size_give_the_same_bits(name: str, size: int, genome: Path) -> None:
    model = make_model(*MODELS[name])
    assert judged(model, pieces(model, genome, size)) == judged(model, pieces(model, genome, 1 << 20))


def test_each_piece_alone_gives_the_same_bits(model: SiteModel, genome: Path) -> None:
    alone = [row for piece in pieces(model, genome, 700) for row in judged(model, [piece])]
    assert sorted(alone) == judged(model, pieces(model, genome, 1 << 20))


def test_groups_that_go_through_the_network_together_give_what_each_gives(model: SiteModel, genome: Path) -> None:
    scanner, all_pieces = SiteScanner(model, 0.0), pieces(model, genome, 700)
    groups = [all_pieces[:3], [], all_pieces[3:4], all_pieces[4:]]
    together = scanner.scan_together(groups)
    assert sum(table.num_rows for table in together) > 0
    assert [table.to_pylist() for table in together] == [scanner.scan(group).to_pylist() for group in groups]


def test_a_tick_ends_the_judging(model: SiteModel, genome: Path) -> None:
    def enough() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        model.judge(pieces(model, genome, 700), tick=enough)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_matter(threads: int, model: SiteModel, genome: Path) -> None:
    expected = judged(model, pieces(model, genome, 1 << 20))
    before = parallel.get_num_threads()
    parallel.set_num_threads(threads)
    try:
        assert judged(model, pieces(model, genome, 300)) == expected
    finally:
        parallel.set_num_threads(before)


SPANS = [(0, 1), (0, 60), (BLOCK - 5, BLOCK + 5), (2 * BLOCK, 3 * BLOCK + 1), (END - 33, END), (END - 1333, END)]


@pytest.mark.parametrize("span", SPANS)
def test_a_region_gives_what_the_whole_gives_there(span: tuple[int, int], model: SiteModel, genome: Path) -> None:
    part = judged(model, pieces(model, genome, 500, [Region("long", *span)]))
    whole = judged(model, pieces(model, genome, 1 << 20))
    assert part == [row for row in whole if row[0] == "long" and span[0] <= row[1] < span[1]]


def test_a_region_of_two_bases_around_every_donor(model: SiteModel, genome: Path) -> None:
    whole = [row for row in judged(model, pieces(model, genome, 1 << 20)) if row[0] == "two"][::20]
    regions = [Region("two", row[1], row[1] + 1) for row in whole]
    assert set(whole) <= set(judged(model, pieces(model, genome, 500, regions)))


# Which candidates, and where


def test_candidates_of_both_strands_in_the_records_coordinates(model: SiteModel) -> None:
    #                 0123456789
    calls = model.judge([Whole(encode(b"TTGTAAGTCTACC"))])
    rows = list(zip(calls.start.tolist(), calls.reverse.tolist(), calls.kind.tolist(), strict=True))
    # Forward: GT at 2 and 6 (their last exon base is reported), AG before 7. Reverse: GT where AC is, at 10,
    # AG where CT is, at 8 and 9: the exon begins at 7.
    assert rows == [(1, False, 0), (5, False, 0), (7, False, 1), (7, True, 1), (12, True, 0)]


def test_naive_candidates_everywhere(model: SiteModel) -> None:
    codes = random_codes(2 * BLOCK + 400, 5)
    calls = model.judge([Whole(codes)])
    found = set(zip(calls.start.tolist(), calls.reverse.tolist(), calls.kind.tolist(), strict=True))
    assert found == naive_candidates(decode(codes), False) | naive_candidates(decode(reverse_complement(codes)), True)


def naive_candidates(letters: bytes, reverse: bool) -> set[tuple[int, bool, int]]:
    """(first reported base, strand, kind): the base before GT or GC, the base after AG; there must be such a base."""
    found = set()
    for at in range(len(letters)):
        if letters[at : at + 2] in (b"GT", b"GC") and at > 0:
            found.add((at - 1, 0))
        if at >= 2 and letters[at - 2 : at] == b"AG":
            found.add((at, 1))
    return {(len(letters) - 1 - at if reverse else at, reverse, kind) for at, kind in found}


def test_all_bases_of_a_wide_site_lie_in_the_record() -> None:
    calls = make_model(MOTIF).judge([Whole(random_codes(100))])
    for reverse in (False, True):
        assert calls.start[calls.reverse == reverse].tolist() == list(range(94))


def test_strands_on_request(model: SiteModel) -> None:
    codes = random_codes(500)
    both, one = model.judge([Whole(codes)]), model.judge([Whole(codes)], strands=(True,))
    assert one.start.tolist() == both.start[both.reverse].tolist()
    assert one.reverse.all()


@pytest.mark.parametrize("kinds", [SPLICE, MOTIF], ids=["splice", "motif"])
@pytest.mark.parametrize("length", [50, 400, BLOCK])
def test_the_reverse_strand_is_the_reverse_complement_judged(kinds: tuple[SiteKind, ...], length: int) -> None:
    """Exactly, where one window holds the record and nothing is filled up; multiples of 50 do."""
    model, codes = make_model(kinds), random_codes(length)
    reverse = model.judge([Whole(codes)], strands=(True,))
    mirrored = model.judge([Whole(reverse_complement(codes))], strands=(False,))
    width = np.array([kind.width for kind in kinds])
    start = length - mirrored.start - width[mirrored.kind]
    order = np.lexsort((mirrored.kind, start))
    assert len(order)
    assert reverse.start.tolist() == start[order].tolist()
    assert reverse.kind.tolist() == mirrored.kind[order].tolist()
    assert np.array_equal(reverse.logit, mirrored.logit[order])


def test_strands_of_a_longer_record_agree_but_for_what_lies_beyond_the_context() -> None:
    """Blocks lie differently, and at the ends one of the two is filled up."""
    model, codes = make_model(context=200), random_codes(2 * BLOCK + 511)
    reverse = model.judge([Whole(codes)], strands=(True,))
    mirrored = model.judge([Whole(reverse_complement(codes))], strands=(False,))
    order = np.lexsort((mirrored.kind, -mirrored.start))
    assert np.array_equal(reverse.start, len(codes) - 1 - mirrored.start[order])
    inside = (reverse.start >= 200) & (reverse.start < len(codes) - 200)
    assert reverse.logit[inside] == pytest.approx(mirrored.logit[order][inside], abs=1e-4)


@pytest.mark.parametrize("codes", [random_codes(0), np.full(1000, 4, np.uint8), encode(b"G")], ids=["empty", "N", "G"])
def test_records_without_candidates(codes: np.ndarray, model: SiteModel) -> None:
    calls = model.judge([Whole(codes)])
    assert [len(column) for column in calls] == [0] * 5
    assert calls.logit.dtype == np.float32


def test_no_stretches_at_all(model: SiteModel) -> None:
    assert len(model.judge([]).start) == 0


def test_contigs_shorter_than_the_context(model: SiteModel) -> None:
    contigs = [random_codes(n, n) for n in range(2, 60)]
    together = model.judge([Whole(codes) for codes in contigs])
    for n, codes in enumerate(contigs):
        alone = model.judge([Whole(codes)])
        assert np.array_equal(alone.logit, together.logit[together.stretch == n])


def test_a_junction_sees_the_end_of_its_contig(model: SiteModel) -> None:
    """The base just within the context counts, the one just beyond the windows does not."""
    codes = np.concatenate([encode(b"ACGT" * 10), random_codes(BLOCK + 400, 3)])
    changed = codes.copy()
    changed[0] = 3 - changed[0]
    one, other = model.judge([Whole(codes)], (False,)), model.judge([Whole(changed)], (False,))
    assert one.logit[0] != other.logit[0]
    assert np.array_equal(one.logit[one.start > BLOCK], other.logit[other.start > BLOCK])


def test_probabilities_are_calibrated_by_kind(model: SiteModel) -> None:
    calls = model.judge([Whole(random_codes(500))])
    expected = [1 / (1 + np.exp(-(a * z + b))) for z, (a, b) in zip(calls.logit, np.array(model.calibration)[calls.kind], strict=True)]  # fmt: skip  # noqa: E501
    assert model.probabilities(calls) == pytest.approx(expected)
    for kind in range(2):
        own = calls.kind == kind
        assert np.array_equal(model.probability(kind, calls.logit[own]), model.probabilities(calls)[own])


# Files


@pytest.fixture
def file(model: SiteModel, tmp_path: Path) -> Path:
    model.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def test_a_model_comes_back_from_its_file(model: SiteModel, file: Path) -> None:
    loaded = SiteModel.load(file)
    assert (loaded.kinds, loaded.context, loaded.calibration) == (SPLICE, 20, model.calibration)
    assert loaded.card["training"] == {"x": 1}
    assert judged(loaded, [Whole(random_codes(900))]) == judged(model, [Whole(random_codes(900))])


def test_a_loaded_model_can_be_saved_again(file: Path) -> None:
    before = file.read_bytes()
    SiteModel.load(file).save(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize(("scheme", "gap"), [("float16", 0.01), ("int8", 0.3)])
def test_a_smaller_file_is_nearly_the_same_model(scheme: str, gap: float, model: SiteModel, tmp_path: Path) -> None:
    model.save(tmp_path / "small.safetensors", scheme)
    calls = [each.judge([Whole(random_codes(900))]) for each in (model, SiteModel.load(tmp_path / "small.safetensors"))]
    assert calls[1].logit == pytest.approx(calls[0].logit, abs=gap)


def test_a_folder_means_its_best(model: SiteModel, tmp_path: Path) -> None:
    model.save(tmp_path / "run" / "best.safetensors")
    assert SiteModel.load(tmp_path / "run").kinds == SPLICE


def rewrite(path: Path, change=lambda document: None, drop: str = "") -> None:
    """The same file with other metadata, or without an array."""
    arrays, document = modelfile.load_model(path, "sites")
    document = {**document}
    change(document)
    arrays.pop(drop, None)
    save_file(arrays, path, {"seqdl": json.dumps(document)})


DAMAGES = {
    "missing": (lambda path: path.unlink(), "no such model file"),
    "not safetensors": (lambda path: path.write_bytes(b"to be or not to be"), "not a safetensors file"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "damaged"),
    "foreign": (lambda path: save_file({"w": np.zeros(2)}, path), "not a model of seqdl"),
    "newer": (lambda path: rewrite(path, lambda d: d.update(schema=99)), "newer seqdl.*upgrade seqdl"),
    "of a text": (lambda path: rewrite(path, lambda d: d.update(kind="text")), "of kind 'text', expected 'sites'"),
    "of an unknown cell": (
        lambda path: rewrite(path, lambda d: d["architecture"].update(cell="x")),
        "cell 'x': upgrade",
    ),
    "without kinds": (lambda path: rewrite(path, lambda d: d.pop("kinds")), "damaged model file: 'kinds'"),
    "with a kind too few": (lambda path: rewrite(path, lambda d: d["kinds"].pop()), "as many kinds"),
    "without calibration": (lambda path: rewrite(path, lambda d: d.update(calibration=[])), "as many kinds"),
    "of another size": (lambda path: rewrite(path, lambda d: d["architecture"].update(hidden=7)), "damaged model file"),
    "without an array": (lambda path: rewrite(path, drop="site.weight"), "damaged model file.*site.weight"),
    "of odd metadata": (lambda path: rewrite(path, lambda d: d.update(kinds=[1], context=None)), "damaged model file"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_file_that_is_no_site_model(name: str, file: Path) -> None:
    damage, message = DAMAGES[name]
    damage(file)
    with pytest.raises(ModelFileError, match=f"m.safetensors: .*{message}") as error:
        SiteModel.load(file)
    assert error.value.exit_code == 4


def test_a_site_model_is_no_text_model(file: Path) -> None:
    with pytest.raises(ModelFileError, match="of kind 'sites', expected 'text'"):
        CharModel.load(file)


# Why a site is one


@pytest.mark.parametrize("kinds", [SPLICE, MOTIF], ids=["splice", "motif"])
@pytest.mark.parametrize("strand", "+-")
def test_an_effect_is_what_judging_the_changed_sequence_gives(kinds: tuple[SiteKind, ...], strand: str) -> None:
    model, codes = make_model(kinds), random_codes(100)  # one window, nothing is filled up
    calls = model.judge([Whole(codes)], strands=(strand == "-",))
    at = int(calls.start[len(calls.start) // 2])
    found = explain(model, codes, at, strand, around=50)
    assert found
    own = reverse_complement(codes) if strand == "-" else codes
    for each in found:
        k = [kind.name for kind in kinds].index(each.name)
        junction = own.tobytes().index(encode(each.letters.encode()).tobytes()) + each.site
        for row, base in np.random.default_rng(1).integers(0, [len(each.letters), 4], (20, 2)):
            changed = own.copy()
            changed[junction - each.site + row] = base
            before, after = (model.logits_at(c[None], junction, k) for c in (own, changed))
            gap = model.calibrated(k, after) - model.calibrated(k, before)
            assert each.effect[row, base] == pytest.approx(gap[0], abs=1e-5)
        assert each.probability == pytest.approx(model.probability(k, before)[0])


def test_an_explanation_and_a_judgement_agree_of_a_short_record(model: SiteModel) -> None:
    codes = random_codes(100)
    calls = model.judge([Whole(codes)])
    for start, reverse, kind, p in zip(*calls[1:4], model.probabilities(calls), strict=True):
        found = explain(model, codes, int(start), "-" if reverse else "+", around=80)
        assert p == pytest.approx(next(e.probability for e in found if e.name == SPLICE[kind].name), rel=1e-5)


@pytest.mark.parametrize("around", [1, 30])
def test_an_explanation_sees_the_context_of_the_bases_it_shows(around: int) -> None:
    model, codes = make_model(context=200), random_codes(1500)
    calls = model.judge([Whole(codes)], (False,))
    middle = (calls.start > 300) & (calls.start < 1200) & (calls.kind == 0)
    for start, p in zip(calls.start[middle][:20], model.probabilities(calls)[middle], strict=False):
        assert explain(model, codes, int(start), around=around)[0].probability == pytest.approx(p, abs=1e-4)


def test_the_standing_letter_has_no_effect(model: SiteModel) -> None:
    codes = random_codes(400)
    at = int(model.judge([Whole(codes)], (False,)).start[5])
    (each, *_) = explain(model, codes, at)
    own = encode(each.letters.encode())
    assert (each.effect[np.arange(len(own)), own] == 0).all()
    assert (np.abs(each.effect).sum(axis=1) > 0).all()
    assert each.importance == pytest.approx(-each.effect.sum(axis=1) / 3)
    assert each.heights()[np.arange(len(own)), own] == pytest.approx(each.importance)
    assert (each.heights() != 0).sum() == len(own)


def test_every_base_of_a_wide_site_leads_to_it() -> None:
    model, codes = make_model(MOTIF), np.full(60, 4, np.uint8)
    codes[30] = 2  # the only possible junction; the site is 27..33
    assert [at for at in range(60) if explain(model, codes, at)] == list(range(27, 34))


@pytest.mark.parametrize("strand", "+-")
def test_no_site_nothing_to_explain(strand: str, model: SiteModel) -> None:
    assert explain(model, encode(b"AATTAATTAATT"), 5, strand) == []


def test_a_site_at_the_very_ends(model: SiteModel) -> None:
    assert [e.site for e in explain(model, encode(b"AGTTTTTAG"), 0)] == [1]
    assert explain(model, encode(b"TTTTTTAGA"), 8)[0].letters == "TTTTTTAGA"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_fasta(tmp_path / "s.fa", I=encode(b"AATTTAAGTAAATTTTTTT"), II=random_codes(3000))


@pytest.mark.parametrize("place", ["I:7", "I:0,007"])
def test_a_place_is_a_record_and_a_base_from_1(place: str, small: Path, model: SiteModel) -> None:
    (each,) = explain_place(model, small, place, "+", around=5)
    assert (each.name, each.letters, each.site) == ("donor", "TTTAAGTAAA", 5)


def test_a_place_in_a_large_record_is_as_in_the_whole(small: Path, model: SiteModel) -> None:
    codes = random_codes(3000)
    for at in model.judge([Whole(codes)], (False,)).start[100:103].tolist():
        part, whole = explain_place(model, small, f"II:{at + 1}", "+"), explain(model, codes, at)
        assert [(e.letters, e.effect.tolist()) for e in part] == [(e.letters, e.effect.tolist()) for e in whole]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_prints_a_bar_for_each_base(small: Path, file: Path) -> None:
    result = run("explain", "site", small, "I:7", "--model", file, "--around", 5)
    assert result.exit_code == 0, result.stderr
    first, *rows = result.stdout.splitlines()
    assert first.startswith("donor at I:7, strand +: probability 0.")
    assert [row.split()[1] for row in rows] == list("TTTAAGTAAA")
    assert [int(row.split()[0]) for row in rows] == list(range(-5, 5))
    assert max(row.count("#") for row in rows) == 24


def test_the_command_prints_json_and_draws(small: Path, file: Path, tmp_path: Path) -> None:
    arguments = ["explain", "site", small, "I:7", "--model", file, "--json", "-q", "-o", tmp_path / "logo.svg"]
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    (site,) = document["sites"]
    assert (document["schema"], site["site_type"], site["strand"]) == ("seqdl.explain.site/1", "donor", "+")
    assert np.array(site["effect"]).shape == (len(site["sequence"]), 4)
    assert (tmp_path / "logo.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("I", 2, "I: name a record and one base of it, from 1 on"),
        ("I:0", 2, "I:0: name a record"),
        ("I:-3", 2, "I:-3: name a record"),
        ("I:x", 2, "I:x: name a record"),
        ("I:3-9", 2, "I:3-9: name a record"),
        (":3", 2, ":3: name a record"),
        ("I:20", 3, "record I has 19 bases"),
        ("V:3", 3, "no record 'V'"),
        ("I:3", 2, "I:3: no donor or acceptor can be here"),
        ("I:7 --strand -", 2, "I:7: no donor or acceptor can be here"),
        ("I:7 --strand x", 2, "--strand must be + or -, got 'x'"),
        ("I:7 --around 0", 2, "--around"),
        ("I:7 --model gone", 4, "gone: no such model file"),
    ],
)
def test_the_command_says_in_a_line_what_is_wrong(
    arguments: str, code: int, message: str, small: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small.parent)
    result = run("explain", "site", "s.fa", "--model", "m.safetensors", *arguments.split())
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
