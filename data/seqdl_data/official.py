"""The sets of handwritten characters that everyone reports on: what their files are called and hold.

MNIST: LeCun, Cortes, Burges, "The MNIST database of handwritten digits". EMNIST: Cohen, Afshar, Tapson, van Schaik,
"EMNIST: an extension of MNIST to handwritten letters" (2017), table II, and the files that NIST offers.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase as LOWER
from string import ascii_uppercase as UPPER
from string import digits

DIGITS = tuple(digits)
LETTERS = tuple(upper + lower for upper, lower in zip(UPPER, LOWER, strict=True))
BYCLASS = tuple(digits + UPPER + LOWER)
UNMERGED = "abdefghnqrt"  # lower case letters that look unlike their capitals; the others share a class with them
BYMERGE = (*DIGITS, *(c if c.lower() in UNMERGED else c + c.lower() for c in UPPER), *UNMERGED)


@dataclass(frozen=True)
class Release:
    """Numbers of images in the train and the test file."""

    train: int
    test: int
    words: str = ""


@dataclass(frozen=True)
class IdxSet:
    """A set that comes as four IDX files.

    `files` are train images, train labels, test images, test labels, without the ending .gz; `sha256` theirs, of what
    they hold or (`packed`) of the .gz files, as far as known. The labels count from `first_label`; a `transposed` set
    has its images stored column by column. Validation is on the last `valid_last` images of the train file, where that
    is None on as many as there are to test, or on each `valid_every`th. The images of a `fitted` set are brought into
    the box of EMNIST's letters (see seqdl_data.glyphs).
    """

    name: str
    classes: tuple[str, ...]
    files: tuple[str, ...] = ()
    releases: tuple[Release, ...] = ()
    first_label: int = 0
    transposed: bool = False
    valid_last: int | None = None
    valid_every: int = 0
    sha256: tuple[str, ...] = ()
    packed: bool = False
    fitted: bool = False
    source: str = ""
    licence: str = ""
    address: str = ""


def _four(train: str, test: str) -> tuple[str, str, str, str]:
    images, labels = "images-idx3-ubyte", "labels-idx1-ubyte"
    return f"{train}-{images}", f"{train}-{labels}", f"{test}-{images}", f"{test}-{labels}"


MNIST = IdxSet(
    "mnist",
    DIGITS,
    _four("train", "t10k"),
    (Release(60_000, 10_000),),
    valid_last=5_000,
    sha256=(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    source="MNIST, LeCun, Cortes and Burges; from NIST Special Databases 1 and 3",
    licence="CC BY-SA 3.0",
    # A mirror: the page it was published on has long refused downloads. What comes is checked as everywhere.
    address="https://ossci-datasets.s3.amazonaws.com/mnist/",
)

_SHA256 = {
    "balanced": (
        "74295e75e4e9fa2c102147460ee7eb763653d5132d883a84fb88932bfb8d2db4",
        "b46d41e5156a0a8aaaa4d18979fdd1588850fa8571018acffd5d93b325a7d6ed",
        "117fc12b015e37ea98bfb2cbba3f77c3782c056cdbd219b87abfc8661d7135db",
        "a67cac948379b67270b9a4d0a01c8ec661598accf2f2b1964340b7c83cb175cd",
    ),
    "byclass": (
        "9e21987f03a6eb8b870187e785883ddad96947299587908f1a7ec2ca0f4be5f0",
        "f7ef403d48dc18a89dae0d83d11ee69cecb6e1c12c3a961d03712e495c02a8fa",
        "5ec835bd5d5b1a66378a132e727fef20fe994b3cc666899befcca5ac766f50cd",
        "501e305eeeacb093b162592d80e8a2632040872360fa6d85cfcb2200d91ca92a",
    ),
    "bymerge": (
        "39bf8c68037dad40db35348895f7e4e056e8c0a005ab78869c9fbc2c96e947be",
        "2c47293b9e62d6abf6ad05fbf67e40baa32adfd380b8d7b44dcc35534b64e1f1",
        "5e5815ec1b522089134435f7c55e75a00960b58414793593ffff23efc0821683",
        "8bda1516255683ba9071e141947ca0c91a911176065cdd6259b0b4d8dc5b5f35",
    ),
    "digits": (
        "f7c95004d14d81af89522e67d8f0c781dfb3bd544181c81bfe1eb6b41c35b726",
        "6638a6ff5fe2eefd9cca2471995b46c82986b8e4b2a70d2f5ce8e05d7edb319e",
        "20ebe43509264f7639d37c835a3f0b009e90b29e00a099a03101abe1644a3f63",
        "bad1834c45d5988e270b99d43b13edc3fd898f658ffbc2caf2846ef27f7b05b0",
    ),
    "letters": (
        "6288f418a917e007bf5fddb823a2dc7a5c6a35031401b93292a539cb12bd881f",
        "9759af91ea6bccdf07a6040fd085861f2ec88e37f7c3f5760f6feb57106fbe5c",
        "50f0e93d75b99b463e9760b8345866f22587fa2c2fba472730a5ba09c693412d",
        "924955c31fe7fd809b7303b5c0141282955f4b8390c74cdfd5d80435e0f4b4cb",
    ),
    "mnist": (
        "5f9942f441031c0f1f2e4d162059fd6e19ea808b34c328b6d16cab0ed24c78f2",
        "00c6d3c2342fdffb1711e0b5656cac4ce5862d2826399d383a9bac07d612e9f8",
        "b25640fa9e356c618132f5df347c95ef5bae6d9c2596be1de40f7e0ae1c3eac6",
        "bcc5385d38f083dba046f5f756e99b32f5ea7fad122c6243c71c2239873065ca",
    ),
}


def _emnist(part: str, classes: tuple[str, ...], *releases: Release, first_label: int = 0) -> IdxSet:
    return IdxSet(
        f"emnist-{part}",
        classes,
        _four(f"emnist-{part}-train", f"emnist-{part}-test"),
        releases,
        first_label=first_label,
        transposed=True,
        sha256=_SHA256[part],
        packed=True,
        source=f"EMNIST {part}, Cohen, Afshar, Tapson and van Schaik 2017; from NIST Special Database 19",
        licence="a work of the US government (NIST); please cite the paper",
        address="https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
    )


OFFICIAL = {
    each.name: each
    for each in (
        MNIST,
        _emnist(
            "letters",
            LETTERS,
            Release(124_800, 20_800, "second release"),
            Release(88_800, 14_800, "first release, as in the paper; scores on it are not those of the second"),
            first_label=1,
        ),
        _emnist("balanced", BYMERGE, Release(112_800, 18_800)),
        _emnist("digits", DIGITS, Release(240_000, 40_000)),
        _emnist("mnist", DIGITS, Release(60_000, 10_000)),
        _emnist("byclass", BYCLASS, Release(697_932, 116_323)),
        _emnist("bymerge", BYMERGE, Release(697_932, 116_323)),
    )
}
RECOVERED = IdxSet(
    "recovered",
    LETTERS,
    _four("recovered-train", "recovered-heldout"),
    (Release(19_894, 2_715),),
    first_label=1,
    transposed=True,
    valid_every=20,
    source="EMNIST letters cut back out of pictures of words; neither balanced nor exact to the pixel",
    licence="a work of the US government (NIST); please cite EMNIST's paper",
)
IDX_SETS = OFFICIAL | {RECOVERED.name: RECOVERED}
CLASSES = {"digits": DIGITS, "letters": LETTERS, "balanced": BYMERGE, "byclass": BYCLASS}
