"""`python -m reliability.switching`: models are changed under load, and every step of it is killed on its way.

Promised: each answer is of one model from its beginning to its end, that of before or that of after; none is a 5xx;
what was killed goes on. About five minutes; RELIABILITY_PICTURES says how many (800).
"""

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from reliability.second_model import second_models
from reliability.site_under_test import BASE, Site, environment, filled, served

PICTURES = int(os.environ.get("RELIABILITY_PICTURES", "800"))
SEARCHERS = 3
WORDS = ("red star", "a blue circle", "three green squares", "빨간 별", "yellow", "two hearts", "white ring", "cross")
ASKED = [
    *({"q": words} for words in WORDS),
    *({"q": words, "page": "2"} for words in WORDS[:3]),
    {"q": "red", "orientation": "landscape"},
]
FOLLOWS, QUIET = 60.0, 8.0
"""Seconds after a switch from which on no answer may be of the models before, and for which none was, to be sure."""


def ask(site: Site, params: dict[str, str]) -> tuple[int, Any]:
    """Return the status, 0 for none, and what tells the model of an answer: which images, and how similar."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        try:
            connection.request("GET", f"/api/search?{urlencode(params)}")
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return 0, None
    if answer.status != 200:
        return answer.status, body[:200]
    found = json.loads(body)
    told = [(one["id"], round(one["similarity"] or 0, 3)) for one in found["results"]]
    return 200, (found["found"], told)


def expected(site: Site) -> list[Any]:
    return [ask(site, params)[1] for params in ASKED]


@dataclass
class Searchers:
    """People who search all the time, and what they were answered."""

    site: Site
    known: dict[str, list[Any]]
    counts: Counter[str] = field(default_factory=Counter)
    strange: list[tuple[int, Any]] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._search, args=[number]) for number in range(SEARCHERS)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def recognise(self, known: dict[str, list[Any]]) -> None:
        """Look again at answers that were of no model known by then."""
        strange, self.strange = self.strange, []
        for which, answer in strange:
            if name := next((name for name, answers in known.items() if answers[which] == answer), ""):
                self.counts[name] += 1
                self.counts["neither"] -= 1
            else:
                self.strange.append((which, answer))

    def _search(self, number: int) -> None:
        chance = random.Random(number)
        while not self.stop.is_set():
            which = chance.randrange(len(ASKED))
            status, answer = ask(self.site, ASKED[which])
            name = next((name for name, answers in self.known.items() if answers[which] == answer), "")
            with self.lock:
                if status != 200:
                    name = str(status)
                elif not name:
                    name = "neither"
                    self.strange.append((which, answer))
                self.counts[name] += 1
                self.last[name] = time.monotonic()


def run(data: Path, *command: str) -> str:
    ended = subprocess.run(
        [sys.executable, "manage.py", *command],
        check=False,
        cwd=BASE,
        env=environment(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ended.returncode:
        raise RuntimeError(f"{command} ended with {ended.returncode}:\n{ended.stdout}")
    return ended.stdout


def killed(data: Path, *command: str, after: float) -> bool:
    """Begin a command and kill it; return whether it was still on its way."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", *command],
        cwd=BASE,
        env=environment(data),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after)
    process.kill()
    return process.wait() != 0


def kill_often(data: Path, *command: str, until: float, times: int) -> None:
    """Kill a command at moments spread over the `until` seconds that it takes."""
    on_the_way = sum(
        killed(data, *command, after=1.0 + (until - 1.0) * (number + random.random()) / times)
        for number in range(times)
    )
    print(f"    {' '.join(command[:1] + command[-1:])}: killed {times} times, {on_the_way} of them on its way")


def timed(data: Path, *command: str) -> tuple[float, str]:
    began = time.monotonic()
    said = run(data, *command)
    return time.monotonic() - began, said


def main() -> int:
    with filled(PICTURES) as data:
        pair = second_models(data / "models-of-switching")
        names = list(pair)
        problems: list[str] = []
        with served(data, WEB_CONCURRENCY="2") as site:
            old = expected(site)
            with Searchers(site, {"old": old}) as people:
                print("Preparing")
                kill_often(data, "switch_model", *names, until=14, times=6)
                took, _said = timed(data, "switch_model", *names)
                print(f"    to its end in {took:.0f} s; answers: {dict(people.counts)}")
            problems += _wrong(people)
            known = {"old": old}
            for step, command, before, after in (
                ("Activating", "--activate", "old", "new"),
                ("Going back", "--back", "new", "old"),
                ("Activating again", "--activate", "old", "new"),
            ):
                problems += _switched(site, data, step, command, known, before, after)
            with Searchers(site, {"new": known["new"]}) as people:
                print("Forgetting")
                forget = ("switch_model", "--forget", environment(data)["EMBEDDING_IMAGE_MODEL"])
                killed(data, *forget, after=2.5)
                took, _said = timed(data, *forget) if "Kept:" in run(data, "switch_model") else (0.0, "")
                time.sleep(5)
            print(f"    answers: {dict(people.counts)}")
            problems += _wrong(people)
            print(run(data, "switch_model"))
        for problem in problems:
            print("WRONG:", problem)
    return bool(problems)


def _switched(
    site: Site, data: Path, step: str, command: str, known: dict[str, list[Any]], before: str, after: str
) -> list[str]:
    print(step)
    with Searchers(site, known) as people:
        kill_often(data, "switch_model", command, until=8, times=5)
        said = _activated(data) if command == "--activate" else _back(data)
        switched = time.monotonic()
        while time.monotonic() < max(switched, people.last.get(before, 0)) + QUIET:
            if time.monotonic() > switched + FOLLOWS:
                break
            time.sleep(0.2)
        followed = max(0.0, people.last.get(before, 0) - switched)
    print("   ", "\n    ".join(line for line in said.splitlines() if "ms" in line or "Switched" in line))
    if after not in known:  # whoever is the first to see it: all must have seen the same
        known[after] = expected(site)
        people.recognise(known)
    print(f"    answers: {dict(people.counts)}")
    print(f"    the last answer of the models before: {followed:.1f} s after the command had ended")
    problems = _wrong(people)
    if followed > FOLLOWS - QUIET:
        problems.append(f"{step}: answers of the models before, {FOLLOWS:.0f} s later")
    if after not in people.counts:
        problems.append(f"{step}: no answer of the models after")
    return problems


def _activated(data: Path) -> str:
    """Activate; one of those that were to be killed may have come to its end before."""
    try:
        return run(data, "switch_model", "--activate")
    except RuntimeError as error:
        if "Nothing is prepared" not in str(error):
            raise
        return "Switched by one that was to be killed."


def _back(data: Path) -> str:
    """Return to the models before, unless a killed command has done that, and copy."""
    said = run(data, "switch_model")
    told = run(data, "switch_model", "--back") if "Kept:" in said else ""
    return told + run(data, "embed_pending")


def _wrong(people: Searchers) -> list[str]:
    bad = {name: count for name, count in people.counts.items() if count and (name.isdigit() or name == "neither")}
    return [f"{count} answers: {name}" for name, count in bad.items()] + [
        f"{ASKED[which]}: {str(answer)[:300]}" for which, answer in people.strange[:3]
    ]


if __name__ == "__main__":
    sys.exit(main())
