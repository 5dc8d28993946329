"""Make the sample sequences: genes that never lived, and the motif that stands before them.

    python samples/make.py

Exons are random codons, introns have the splice signals of fission yeast, every gene has a TATA box; half of the
genes lie on the reverse strand. genes.fa is what `make demo` scans, tata.jaspar the motif, introns.bed the truth.
"""

from __future__ import annotations

import random
from pathlib import Path

HERE = Path(__file__).parent
CODONS = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT" if a + b + c not in ("TAA", "TAG", "TGA")]
COMPLEMENT = str.maketrans("ACGT", "TGCA")
TATA = {
    "A": [2, 44, 1, 45, 30, 46, 20],
    "C": [6, 1, 1, 1, 1, 1, 4],
    "G": [2, 1, 1, 1, 1, 1, 20],
    "T": [40, 4, 47, 3, 18, 2, 6],
}


def bases(draw: random.Random, count: int, weights: tuple[int, ...] = (31, 19, 19, 31)) -> str:
    return "".join(draw.choices("ACGT", weights, k=count))


def exon(draw: random.Random, codons: int) -> str:
    weights = [3 if codon[2] in "AT" else 2 for codon in CODONS]
    return "".join(draw.choices(CODONS, weights, k=codons))


def intron(draw: random.Random) -> str:
    body = bases(draw, draw.randint(15, 40), (33, 14, 14, 39))
    return f"GTA{draw.choice('ATA')}GT{body}CTAAC{bases(draw, draw.randint(4, 9), (30, 15, 5, 50))}TTAG"


def gene(draw: random.Random) -> tuple[str, list[tuple[int, int]]]:
    """A gene and its introns, 0-based half-open."""
    text = bases(draw, 300) + "TATAAAAG" + bases(draw, 60) + "AAAATG" + exon(draw, 40)
    introns = []
    for _ in range(draw.randint(1, 3)):
        inside = intron(draw)
        text = text[: len(text) - 3] + draw.choice(("CAG", "AAG"))
        introns.append((len(text), len(text) + len(inside)))
        text += inside + exon(draw, draw.randint(30, 80))
    return text + "TAA" + bases(draw, 250), introns


def main() -> None:
    draw = random.Random(4)
    with (HERE / "genes.fa").open("w") as fasta, (HERE / "introns.bed").open("w") as bed:
        for number in range(1, 7):
            text, introns = gene(draw)
            strand = "+" if number % 2 else "-"
            if strand == "-":
                text = text.translate(COMPLEMENT)[::-1]
                introns = [(len(text) - end, len(text) - start) for start, end in reversed(introns)]
            lines = "\n".join(text[at : at + 60] for at in range(0, len(text), 60))
            fasta.write(f">made{number} a gene that never lived, strand {strand}\n{lines}\n")
            for start, end in introns:
                bed.write(f"made{number}\t{start}\t{end}\tintron\t0\t{strand}\n")
    rows = "\n".join(f"{base}  [ {' '.join(f'{count:>2}' for count in TATA[base])} ]" for base in "ACGT")
    (HERE / "tata.jaspar").write_text(f">TATA a TATA box of our own\n{rows}\n")


if __name__ == "__main__":
    main()
