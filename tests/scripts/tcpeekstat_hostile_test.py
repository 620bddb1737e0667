"""Replies that are wrong somewhere: scripts/tcpeekstat says so in one line, or shows what it can, and never breaks.

In the process, as thousands of replies are tried: what asks is replaced by what answers.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import re
import unittest
from typing import Any

import replies
from replies import everything
from tcpeekstat_module import load
from tcpeekstat_test import GET

ROUNDS = 400
PERCENT = int(os.environ.get("TCPEEK_SEEDS_PERCENT", "100"))
TIMES = ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z", "2026-11-27T25:00:00Z"]
ODD: list[Any] = [None, True, -1, 0, 1.5, 1e308, -1e308, 2**70, "", "x\x1b]0;\x07", "\ud800", *TIMES]
ODD += [[], {}, [[]], [1, "x", None], {"error": 5}]
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202e]")


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a document, with each of its keys."""
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def damaged(document: Any, dice: random.Random) -> Any:
    document = copy.deepcopy(document)
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        spots = places(document)
        if not spots:
            return document
        container, key = dice.choice(spots)
        if dice.random() < 0.3:
            del container[key]
        else:
            container[key] = copy.deepcopy(dice.choice(ODD))
    return document


class HostileTest(unittest.TestCase):
    def setUp(self) -> None:
        self.tool = load()
        before = self.tool.ask
        self.addCleanup(lambda: setattr(self.tool, "ask", before))
        self.place = self.tool.Place("/nowhere", True)
        self.look = self.tool.Look(width=90)

    def answer_with(self, documents: dict[str, Any]) -> None:
        raw = {word: json.dumps(document).encode() for word, document in documents.items()}
        self.tool.ask = lambda _, word: raw.get(word) or raw.get(word.split()[0]) or raw["GET"]

    def show_all(self, word: str) -> str:
        """What of the program the word feeds."""
        tool, lines = self.tool, []
        if word == "STATS":
            stats = tool.ask_stats(self.place)
            lines += tool.summary(stats, True, (), self.look) if stats else []
            tool.exposition(stats) if stats else None
        elif word.startswith("TOP"):
            top = tool.ask_top(
                self.place, 10, "pair" if "pair" in word else "initiator" if "initiator" in word else "service"
            )
            lines += tool.told_top(top, replies.NOW, self.look) if top else []
        elif word == "HISTORY":
            history = tool.ask_history(self.place, 600)
            for samples in history.seconds.values() if history else ():
                lines += tool.told_history(samples, False, replies.NOW, self.look)
        elif word == "EXPLAIN":
            explanation = tool.ask_explanation(self.place)
            lines += tool.told_explanation(explanation, replies.NOW, self.look) if explanation else []
        return "\n".join(map(tool.plain, [*lines, *self.screens()]))

    def screens(self) -> list[Any]:
        gatherer = self.tool.Gatherer(self.place)
        gatherer.wants_pairs = True
        model = gatherer.poll(())
        model = gatherer.poll(())
        lines = []
        for page in ("main", "drill", "explain"):
            for picked in ("filter db", "service 192.0.2.9:5432"):
                view = self.tool.View(page=page, picked=picked, sort=random.choice(self.tool.SORTS))
                lines += self.tool.render(model, view, 30, self.look)
        return lines

    def test_whatever_is_wrong_with_a_reply(self) -> None:
        good: dict[str, Any] = {"GET": GET, **everything()}
        shown, rounds = 0, ROUNDS * PERCENT // 100
        for seed in range(rounds):
            dice = random.Random(seed)
            word = dice.choice([each for each in good if each != "GET"])
            self.answer_with({**good, word: damaged(good[word], dice)})
            with self.subTest(seed=seed, word=word):
                try:
                    text = self.show_all(word)
                    shown += 1
                except self.tool.Failure as failure:
                    text = str(failure)
                    self.assertNotIn("\n", text)
                    self.assertRegex(text, "damaged|refused|no filter|does not know")
                self.assertNotRegex(text, UNPRINTABLE)
        self.assertGreater(shown * 20, rounds, "not all mistakes make a reply useless")

    def test_whatever_is_wrong_with_an_event(self) -> None:
        lines = [
            replies.outcome(7, "reject", "refused", rst={"sender": "suspect", "hop_limit": 3}),
            replies.at(9),
            replies.change(8, "db", "failing"),
            b'{"gap":{"from":1,"to":5}}',
            replies.outcome(1, "unreach", "unreachable", icmp={"type": 3, "code": 1, "reason": "x", "router": "y"}),
        ]
        options = argparse.Namespace(filter=["db", "web"])
        for seed in range(ROUNDS * PERCENT // 100):
            dice = random.Random(seed)
            event = damaged(json.loads(dice.choice(lines)), dice)
            with self.subTest(seed=seed, event=event):
                try:
                    with self.tool.reading(self.place):
                        node = self.tool.Node(event)
                        self.tool.Position("b1", 5).follow(node)
                        if self.tool.is_told(node, options):
                            self.assertNotRegex(self.tool.plain(self.tool.told_event(node, replies.NOW)), UNPRINTABLE)
                except self.tool.Failure as failure:
                    self.assertIn("damaged", str(failure))


if __name__ == "__main__":
    unittest.main()
