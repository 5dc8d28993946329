"""The site models that ship: their cards, and what they find."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqdl import dna
from seqdl.dna.evaluation import evaluate, judge_stretches
from seqdl.dna.sitemodel import SHIPPED, model_path
from seqdl.modelfile import read_metadata
from seqdl_data.sites import Stretch, read_stretches
from seqdl_data.splice import Genome, Split, build_splice

SAMPLES = Path(__file__).parent.parent / "samples"
PART = 1_000_000  # bases of each strand


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_small_and_carries_its_card_and_no_folder(name: str) -> None:
    path = model_path(name)
    card = read_metadata(path)
    assert path.stat().st_size < 4e6
    assert card["licence"]
    assert card["source"]
    assert card["quantisation"]["measured_on"].startswith("the test part")
    assert not any(Path(word).is_absolute() for word in card["training"]["command"].split())
    assert not any(Path(word).is_absolute() for word in card["training"]["data"]["command"].split())
    assert all("/" not in file for file in card["training"]["paths"])


def test_the_default_finds_the_introns_of_the_sample_and_little_else() -> None:
    wanted = {site for intron in dna.read_introns(SAMPLES / "introns.bed") for site in intron.sites}
    found = set()
    for table in dna.scan(SAMPLES / "genes.fa"):
        columns = ("sequence_name", "start", "strand", "name")
        found |= set(zip(*(table[column].to_pylist() for column in columns), strict=True))
    assert len(found & wanted) >= 0.8 * len(wanted)
    assert len(found - wanted) <= 0.2 * len(wanted)


def test_average_precision_on_a_chromosome_it_has_not_seen(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "dna/genomes/spombe"
    genome = Genome(folder / "spombe_I_II.fa.gz", folder / "spombe_I_II.gff3.gz")
    build_splice(tmp_path / "d.parquet", genomes=[genome], split=Split(frozenset(["II"])))
    stretches, _ = read_stretches(tmp_path / "d.parquet", "test")
    first = [Stretch(s.record, s.codes[:PART], s.labels[:PART], None) for s in stretches]
    model = dna.SiteModel.load()
    for figures in evaluate(model, judge_stretches(model, first)):
        assert figures.average_precision > 0.85
        assert figures.calibration_error < 0.02
