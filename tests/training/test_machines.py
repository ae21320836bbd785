from __future__ import annotations

import json
from typing import Any

import pytest

from facerec_cli.errors import MachinesError
from facerec_cli.training.machines import Machines
from tests.conftest import Run

ADDRESSES = ["127.0.0.1:2222", "127.0.0.1:2223"]


def config(cluster: Any, job: Any, index: Any) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})


def test_worker_0_or_the_chief_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for cluster, job, index, expected in (
        ({"worker": ADDRESSES}, "worker", 0, Machines(2, 0)),
        ({"worker": ADDRESSES}, "worker", 1, Machines(2, 1)),
        ({"chief": ADDRESSES[:1], "worker": ADDRESSES}, "chief", 0, Machines(3, 0)),
        ({"chief": ADDRESSES[:1], "worker": ADDRESSES}, "worker", 0, Machines(3, 1)),
    ):
        monkeypatch.setenv("TF_CONFIG", config(cluster, job, index))
        assert Machines.named() == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "{}",
        json.dumps({"cluster": {"worker": ADDRESSES}}),
        json.dumps({"cluster": {"worker": ADDRESSES}, "task": "worker"}),
        config({}, "worker", 0),
        config({"worker": ADDRESSES}, "worker", 2),
        config({"worker": ADDRESSES}, "worker", -1),
        config({"worker": ADDRESSES}, "worker", "first"),
        config({"worker": ADDRESSES}, "chief", 0),
        config({"worker": ADDRESSES}, ["worker"], 0),
        config({"worker": ADDRESSES, "ps": ADDRESSES}, "worker", 0),
        config({"worker": ["here", "there"]}, "worker", 0),
        config({"worker": [1, 2]}, "worker", 0),
        config({"worker": ["127.0.0.1:2222", "there"]}, "worker", 0),
        config({"worker": "127.0.0.1:2222"}, "worker", 0),
        config({"worker": 2}, "worker", 0),
        config(ADDRESSES, "worker", 0),
        config({"chief": ADDRESSES, "worker": ADDRESSES}, "worker", 0),
    ],
)
def test_what_names_no_machines_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(MachinesError, match="TF_CONFIG"):
        Machines.named()


def test_machines_that_are_not_named_are_one_sentence(facerec: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    done = facerec("train", "--distribute", "multiworker")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: TF_CONFIG ")
    assert len(done.stderr.splitlines()) == 1
