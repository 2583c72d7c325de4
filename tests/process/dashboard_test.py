"""The shipped files for Prometheus and Grafana are well formed, and show every series that the program serves."""
import importlib.util
import itertools
import json
import pathlib
import re
import subprocess
import unittest

from deadline import HANGS_S
from runs import PROMETHEUS, SOURCE

MONITORING = SOURCE / "configs" / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "vae_dist.json").read_text())
PROMTOOL = pathlib.Path(PROMETHEUS).parent / "promtool"

# Series that no panel shows, with the reason.
LEFT_OUT = dict.fromkeys(("vae_dist_job_outcome", "vae_dist_job_last_step", "vae_dist_job_duration_seconds", "vae_dist_job_end_timestamp_seconds", "vae_dist_job_loss"),
                         "pushed once, when the job is over, to a gateway that few have")

# Annotation fields of Grafana's Prometheus plugin that are not in the dashboard's schema (documented under "Annotations", "Series value as
# timestamp").
PLUGIN_FIELDS = {"useValueForTime", "titleFormat", "textFormat", "tagKeys", "step"}


def served_names():
    """The names of all series in the code."""
    return set(itertools.chain.from_iterable(re.findall(r'"(vae_dist_\w+)"', file.read_text()) for room in ("metrics", "objective") for file in (SOURCE / "src" / room).glob("*.cpp")))


def panels():
    for panel in DASHBOARD["panels"]:
        yield panel
        yield from panel.get("panels", [])


def expressions():
    for panel in panels():
        for target in panel.get("targets", []):
            yield target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        if "expr" in annotation:
            yield annotation["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def names_in(texts):
    """The names of series, with a histogram under its base name. Recorded names contain a colon and belong to the rules."""
    found = set()
    for text in texts:
        for name in re.findall(r"(?<![\w:])vae_dist_\w+(?!\w*:)", text):
            found.add(re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name))
    return found


class Dashboard(unittest.TestCase):
    def test_shows_every_series_and_no_other(self):
        served = served_names()
        self.assertGreater(len(served), 40)
        shown = names_in(expressions())
        self.assertEqual(served - shown, set(LEFT_OUT))
        self.assertEqual(shown - served, set())

    def test_asks_for_recorded_series_that_there_are(self):
        recorded = set(re.findall(r"record: (\S+)", (MONITORING / "rules.yml").read_text()))
        asked = {name for expression in expressions() for name in re.findall(r"vae_dist:[\w:]+", expression)}
        self.assertEqual(asked - recorded, set())

    def test_rules_read_series_that_there_are(self):
        rules = (MONITORING / "rules.yml").read_text()
        self.assertEqual(names_in(re.findall(r"expr:(.*?)(?:\n\s+(?:for|labels):|\n\n|\Z)", rules, re.DOTALL)) - served_names(), set())

    def test_the_readme_lists_every_series(self):
        readme = (MONITORING / "README.md").read_text()
        self.assertEqual({name for name in served_names() if f"`{name}`" not in readme}, set())

    def test_has_its_rows_in_order(self):
        self.assertEqual([panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"], ["Now", "Learning", "Speed", "Ranks", "Machines", "Health"])

    def test_each_panel_is_told_apart_described_and_has_a_unit(self):
        everything = list(panels())
        self.assertEqual(len({panel["id"] for panel in everything}), len(everything))
        shown = [panel for panel in everything if panel["type"] != "row"]
        self.assertEqual(len({panel["title"] for panel in shown}), len(shown))
        for panel in shown:
            with self.subTest(panel["title"]):
                self.assertGreater(len(panel["description"]), 15)
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                self.assertEqual(panel["datasource"]["uid"], "${datasource}")
                self.assertEqual(len({target["refId"] for target in panel["targets"]}), len(panel["targets"]))

    def test_no_panel_overlaps_another_or_leaves_the_grid(self):
        places = [(panel["title"], panel["gridPos"]) for panel in DASHBOARD["panels"]]
        for title, place in places:
            self.assertTrue(0 <= place["x"] and place["x"] + place["w"] <= 24 and place["w"] > 0 and place["h"] > 0, title)
        for (one, a), (other, b) in itertools.combinations(places, 2):
            apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
            self.assertTrue(apart, f"{one} and {other}")

    def test_marks_checkpoints_restarts_and_evaluations(self):
        marks = {annotation["name"]: annotation for annotation in DASHBOARD["annotations"]["list"]}
        for name in ("Checkpoints", "Restarts", "Evaluations", "Best evaluations"):
            self.assertTrue(marks[name]["expr"].endswith(" * 1000"), "a mark's time is its value in milliseconds")

    def test_can_be_provisioned_again_and_again(self):
        self.assertEqual((DASHBOARD["uid"], DASHBOARD.get("id")), ("vae_dist", None))
        self.assertGreaterEqual(DASHBOARD["schemaVersion"], 39)
        self.assertEqual([variable["name"] for variable in DASHBOARD["templating"]["list"]], ["datasource", "user", "run", "job", "rank", "reports"])

    @unittest.skipUnless(importlib.util.find_spec("grafana_foundation_sdk"), "grafana-foundation-sdk (Python 3.11 or later) is not installed")
    def test_has_no_field_that_grafana_does_not_know(self):
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.cog.plugins import register_default_plugins
        from grafana_foundation_sdk.models.dashboard import Dashboard as Model

        register_default_plugins()
        again = json.loads(JSONEncoder().encode(Model.from_json(DASHBOARD)))
        self.assertEqual(list(self.lost(DASHBOARD, again, "")), [])

    def lost(self, before, after, where):
        """The fields of `before` that are lost when Grafana's types read and rewrite it."""
        if isinstance(before, dict):
            for key, value in before.items():
                if where.startswith(".annotations") and key in PLUGIN_FIELDS:
                    continue
                if not isinstance(after, dict) or key not in after:
                    if value not in (None, [], {}):
                        yield f"{where}.{key}"
                else:
                    yield from self.lost(value, after[key], f"{where}.{key}")
        elif isinstance(before, list):
            if not isinstance(after, list) or len(before) != len(after):
                yield where
            else:
                for i, (one, other) in enumerate(zip(before, after)):
                    yield from self.lost(one, other, f"{where}[{i}]")
        elif before != after:
            yield f"{where}: {before!r} became {after!r}"


class Rules(unittest.TestCase):
    def promtool(self, *arguments):
        done = subprocess.run([PROMTOOL, *arguments], cwd=MONITORING, text=True, capture_output=True, timeout=HANGS_S)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_are_what_prometheus_takes(self):
        self.assertIn("SUCCESS", self.promtool("check", "config", "prometheus.yml"))
        self.assertIn("rules found", self.promtool("check", "rules", "rules.yml"))

    def test_each_alert_fires_when_it_should(self):
        self.assertIn("SUCCESS", self.promtool("test", "rules", "rules_test.yml"))
        alerts = set(re.findall(r"alert: (\w+)", (MONITORING / "rules.yml").read_text()))
        self.assertGreaterEqual(len(alerts), 8)
        tests = (MONITORING / "rules_test.yml").read_text()
        expected = set(re.findall(r'alertname="(VaeDist\w+)"', tests))
        self.assertEqual(alerts - expected, set())

    def test_each_alert_says_what_to_do(self):
        rules = (MONITORING / "rules.yml").read_text().split("- alert: ")[1:]
        for rule in rules:
            self.assertRegex(rule, r'(?m)^ +summary: "', rule.split()[0])
            self.assertRegex(rule, r'(?m)^ +description: ".{40,}"$', rule.split()[0])

    def test_each_alert_leads_to_a_runbook_that_there_is(self):
        rules, page = (MONITORING / "rules.yml").read_text(), (MONITORING / "runbooks.html").read_text()
        alerts = re.findall(r"- alert: (\w+)", rules)
        # {{ $externalURL }} is the server's own address, under which it serves this folder's files below /user.
        self.assertEqual(re.findall(r'(?m)^ +runbook_url: "\{\{ \$externalURL \}\}/user/runbooks\.html#(\w+)"$', rules), alerts)
        self.assertEqual(re.findall(r'<section id="(\w+)"', page), alerts)

    def test_runs_of_two_people_are_two(self):
        """Sums, joins and comparisons by run use all labels that distinguish runs."""
        for text in ((MONITORING / "rules.yml").read_text(), *expressions()):
            for labels in re.findall(r"\b(?:by|on) \(([^)]*\brun\b[^)]*)\)", text):
                self.assertLessEqual({"user", "run", "job_id"}, set(re.split(r", *", labels)), text)
            for selector in re.findall(r"\{([^}]*\brun=[^}]*)\}", text):
                self.assertIn('user=~"$user"', selector, text)

    def test_a_link_to_a_report_names_one_run_whatever_is_chosen(self):
        """With several chosen runs, or All, a variable in a link would be a list or a pattern, so a panel's link uses the run that was clicked on."""
        links = [link["url"] for link in DASHBOARD["links"]] + [link["url"] for panel in panels() for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links", [])]
        self.assertIn("${reports}/${__field.labels.run}/report.html", links)
        for url in links:
            self.assertNotRegex(url, r"\$\{?(run|user|job|rank)\b")


if __name__ == "__main__":
    unittest.main()
