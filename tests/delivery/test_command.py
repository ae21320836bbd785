from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facerec_cli.delivery.command import Command
from facerec_cli.delivery.opening import open_delivery
from facerec_cli.delivery.outbox import Delivery
from facerec_cli.delivery.telling import Telling
from facerec_cli.errors import DeliveryError
from tests.delivery.records import record, until


def program(folder: Path, code: str, name: str = "receive") -> str:
    """A command line that runs Python code."""
    path = folder / f"{name}.py"
    path.write_text(f"import json, os, signal, subprocess, sys, time\n{code}\n")
    return shlex.join([sys.executable, str(path)])


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def children() -> list[str]:
    """The children of this process, zombies too."""
    found = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True, check=False
    )
    return [line for line in found.stdout.splitlines() if not line.startswith("ps ")]


def test_a_program_gets_each_event_on_its_standard_input(
    tmp_path: Path, told: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = program(tmp_path, f"open({str(out)!r}, 'a').write(sys.stdin.read()); print('hello'); print(sys.argv[1:])")
    delivery = open_delivery(f"{line} 'a b' '$HOME; *'", "camera 0", told.append)
    for visit in range(3):
        delivery.send(record("Zoë", visit=visit))
    assert delivery.close(60) == 0
    assert lines(out) == [record("Zoë", visit=visit) for visit in range(3)]
    assert told == []
    assert capfd.readouterr() == ("", "")
    assert children() == []


def test_no_shell_reads_the_line(tmp_path: Path, told: list[str]) -> None:
    out = tmp_path / "out"
    line = program(tmp_path, f"json.dump(sys.argv[1:], open({str(out)!r}, 'w'))")
    delivery = open_delivery(f"{line} 'a b' $HOME ; rm * | `x` > y", "camera 0", told.append)
    delivery.send(record())
    assert delivery.close(60) == 0
    assert lines(out) == [["a b", "$HOME", ";", "rm", "*", "|", "`x`", ">", "y"]]


def test_a_program_that_fails_is_told_once_with_its_last_line(tmp_path: Path, told: list[str]) -> None:
    line = program(tmp_path, "sys.exit(f'first\\nno such door {time.time()}\\n\\n')")
    delivery = open_delivery(f"{line} --token word", "camera 0", told.append)
    for visit in range(3):
        delivery.send(record(visit=visit))
    assert delivery.close(60) == 3
    assert len(told) == 2
    assert "did not take an event (exit code 1, no such door " in told[0]
    assert told[0].endswith("): it is lost")
    assert "word" not in told[0]
    assert told[1].startswith("3 events did not get to ")


def test_a_program_that_does_not_end_is_ended_with_its_children(tmp_path: Path, told: list[str]) -> None:
    out = tmp_path / "out"
    code = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(out)!r}, "w").write(str(child.pid))
print("warming up", file=sys.stderr, flush=True)
time.sleep(600)
"""
    command = Command(program(tmp_path, code), timeout=2)
    delivery = Delivery(command, Telling("receiver", told.append))
    delivery.send(record())
    assert delivery.close(60) == 1
    assert told[0] == "receiver did not take an event (no end in 2 s, warming up): it is lost"
    assert children() == []
    until(lambda: not is_running(int(out.read_text())))


def is_running(number: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2][:3]
    except FileNotFoundError:
        return False


def test_nobody_waits_for_what_a_program_leaves_behind(tmp_path: Path, told: list[str]) -> None:
    out = tmp_path / "out"
    code = f"""
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(out)!r}, "w").write(str(child.pid))
"""
    delivery = open_delivery(program(tmp_path, code), "camera 0", told.append)
    delivery.send(record())
    assert delivery.close(60) == 0
    left = int(out.read_text())
    assert is_running(left)
    os.kill(left, signal.SIGKILL)


def test_a_program_need_not_read_what_it_gets(told: list[str]) -> None:
    delivery = open_delivery("true", "camera 0", told.append)
    delivery.send(record() | {"chip": "A" * (1 << 20)})
    assert delivery.close(60) == 0


def test_closing_ends_a_program_that_is_still_at_work(tmp_path: Path, told: list[str]) -> None:
    out = tmp_path / "out"
    line = program(tmp_path, f"open({str(out)!r}, 'w').write('x'); time.sleep(600)")
    delivery = open_delivery(line, "camera 0", told.append)
    delivery.send(record(visit=1))
    delivery.send(record(visit=2))
    until(out.exists)
    assert delivery.close(0.1) == 2
    assert children() == []
    assert "still at work when facerec ended" in told[0]


def test_ctrl_c_does_not_reach_a_program_at_work(tmp_path: Path) -> None:
    """As a terminal does it: to all of the group that runs in front."""
    out = tmp_path / "out"
    line = program(
        tmp_path, f"open({str(out)!r}, 'w').write('begun'); time.sleep(1); os.rename({str(out)!r}, {str(out) + '2'!r})"
    )
    script = f"""
import time
from facerec_cli.delivery.opening import open_delivery
delivery = open_delivery({line!r}, "camera 0", print)
delivery.send({record()!r})
try:
    time.sleep(600)
except KeyboardInterrupt:
    print(delivery.close(60))
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        until(out.exists)
        os.killpg(running.pid, signal.SIGINT)
        assert running.communicate(timeout=60)[0] == "0\n"
    assert (tmp_path / "out2").exists()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("say 'hello", "cannot be read (No closing quotation)"),
        ("no-such-program --token word", "There is no program no-such-program"),
        ("/etc/passwd", "There is no program /etc/passwd"),
    ],
)
def test_a_command_that_is_none_is_refused_at_once(line: str, says: str, told: list[str]) -> None:
    with pytest.raises(DeliveryError) as caught:
        open_delivery(line, "camera 0", told.append)
    assert says in str(caught.value)
    assert "word" not in str(caught.value)
    assert caught.value.remedy
