"""Rules, alerts, dashboards and runbooks by themselves: what promtool says of them, and that they fit together."""

from __future__ import annotations

import pathlib
import re
import tempfile
import unittest

import live  # noqa: F401
import mixin
import lab
from mixin import SOURCES

RULES_TEST = pathlib.Path(__file__).with_name("rules_test.jsonnet")
RUNBOOKS = lab.ROOT / "docs" / "runbooks.md"
FOLDER: pathlib.Path


def setUpModule() -> None:
    lab.require(mixin.available)
    global FOLDER
    folder = tempfile.TemporaryDirectory(prefix="tcpeek-")
    unittest.addModuleCleanup(folder.cleanup)
    FOLDER = pathlib.Path(folder.name)
    mixin.make(FOLDER)


class Rules(unittest.TestCase):
    def test_promtool_finds_nothing(self) -> None:
        said = mixin.run("promtool", "check", "rules", "--lint=all", "tcpeek_rules.yml", "tcpeek_alerts.yml", folder=FOLDER)
        self.assertNotRegex(said, r"(?i)warn|duplicate|fail")

    def test_configurations_are_right(self) -> None:
        for name in ("central.yml", "scrape.yml"):
            (FOLDER / name).write_text(mixin.configuration(name), encoding="ascii")
            self.assertIn("SUCCESS", mixin.run("promtool", "check", "config", "--lint=all", name, folder=FOLDER))
        self.assertIn("SUCCESS", mixin.run("promtool", "check", "config", "--agent", str(SOURCES / "agent.yml")))

    def test_configurations_are_right_with_forwarders(self) -> None:
        for name, mode in (("agent.yml", "--agent"), ("scrape.yml", "--lint=all")):
            text = re.sub(r"^  # (?= *(- )?[a-z_]+:)", "  ", mixin.configuration(name), flags=re.M)
            self.assertIn("\n  - job_name: tcpeek-forward\n", text)
            (FOLDER / name).write_text(text, encoding="ascii")
            self.assertIn("SUCCESS", mixin.run("promtool", "check", "config", mode, name, folder=FOLDER))

    def test_each_alert_fires_is_silent_and_clears(self) -> None:
        cases = mixin.run("jsonnet", str(RULES_TEST))
        (FOLDER / "rules_test.yml").write_text(cases, encoding="utf-8")
        self.assertIn("SUCCESS", mixin.run("promtool", "test", "rules", "rules_test.yml", folder=FOLDER))
        tested = RULES_TEST.read_text(encoding="ascii")
        for rule in mixin.alerts():
            for kind in ("fires", "silent"):
                self.assertIn(f"{kind}('{rule['alert']}',", tested, f"no case in {RULES_TEST.name}")

    def test_alerts_are_as_mixins_have_them(self) -> None:
        for rule in mixin.alerts():
            with self.subTest(rule["alert"]):
                self.assertRegex(rule["alert"], r"^Tcpeek([A-Z][a-z]+)+$")
                self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
                self.assertIn("for", rule)
                notes = rule["annotations"]
                self.assertNotIn("{{", notes["summary"])
                self.assertIn("{{", notes["description"])
                self.assertEqual(notes["runbook_url"], f"docs/runbooks.md#{rule['alert'].lower()}")

    def test_what_is_overridden_is_changed(self) -> None:
        with tempfile.TemporaryDirectory(prefix="tcpeek-") as name:
            folder = pathlib.Path(name)
            mixin.make(folder, "{ _config+:: { tcpeekSelector: 'job=\"edge\"', window: '10m', failingRatio: 0, dashboardTags: ['edge'] } }")
            made = "".join(path.read_text(encoding="utf-8") for path in folder.glob("**/tcpeek*"))
            mixin.run("promtool", "check", "rules", "tcpeek_rules.yml", "tcpeek_alerts.yml", folder=folder)
        self.assertNotIn('job="tcpeek"', made.replace("\\", ""))
        self.assertNotIn("rate5m", made)
        self.assertIn("rate10m", made)
        self.assertIn('"edge"', made)


class Runbooks(unittest.TestCase):
    def test_a_section_for_each_alert_and_no_other(self) -> None:
        text = RUNBOOKS.read_text(encoding="utf-8")
        sections = re.findall(r"^## (\w+)\n(.+?)(?=^## |\Z)", text, re.M | re.S)
        self.assertEqual([name for name, _ in sections], [rule["alert"] for rule in mixin.alerts()])
        for name, section in sections:
            for part in ("**Means**", "**Look**", "**Do**", "**Whose**"):
                self.assertEqual(section.count(part), 1, f"{name}: {part}")

    def test_metrics_that_it_or_an_alert_names_are_documented(self) -> None:
        manuals = "".join((lab.ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("tcpeek.8", "tcpeek-forward.8"))
        expressions = [rule["expr"] for rule in mixin.alerts()]
        named = set(re.findall(r"\btcpeek_[a-z_]+", "\n".join([RUNBOOKS.read_text(encoding="utf-8"), *expressions])))
        self.assertGreater(len(named), 5)
        for name in named:
            self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name), manuals)


class Dashboards(unittest.TestCase):
    def test_panels_are_whole(self) -> None:
        found = mixin.dashboards(FOLDER)
        self.assertEqual(list(found), ["tcpeek-fleet", "tcpeek-host", "tcpeek-service"])
        for name, dashboard in found.items():
            self.assertEqual(dashboard["uid"], name)
            variables = [each["name"] for each in dashboard["templating"]["list"]]
            self.assertEqual(variables[:3], ["datasource", "job", "instance"])
            titles = [panel["title"] for panel in dashboard["panels"]]
            self.assertGreater(len(titles), 8)
            for panel in dashboard["panels"]:
                with self.subTest(name, panel=panel["title"]):
                    self.assertTrue(panel["description"])
                    self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                    self.assertEqual(panel["datasource"]["uid"], "${datasource}")
                    self.assertTrue(panel["targets"])
            for title, target in mixin.targets(dashboard):
                with self.subTest(name, panel=title):
                    self.assertNotRegex(target["expr"], r"\[\d")
                    self.assertTrue(target["legendFormat"])


if __name__ == "__main__":
    unittest.main()
