"""`vae_dist config --schema`, read by jsonschema: what it says of a configuration and what the program says are the same."""
import copy
import json
import re
import unittest

import jsonschema
from ruamel.yaml import YAML

import runs

SHIPPED = sorted((runs.SOURCE / "configs").glob("*.yaml"))
REQUIRED = {"run": {"name": "x"}, "data": {"train": {"file": "a.h5"}}}

# What stands below the required keys. The program refuses each, and the schema does.
WRONG = [
    "train: {global_bach: 3}", "trian: {epochs: 3}", "include.more: a.yaml", "train: {optimizer: {lerning_rate: 1}}",
    "train: {epochs: many}", "train: {epochs: 1.5}", "train: {epochs: true}", "train: {epochs: [3]}", "train: {epochs: {many: 3}}", "train: {global_batch: null}",
    "train: {channels_last: 'yes'}", "train: {channels_last: 1}", "train: {optimizer: {learning_rate: fast}}", "train: {optimizer: {learning_rate: '0.1'}}",
    "train: {schedule: cosine}", "train: [1]", "model: {hidden_dims: 32}", "model: {hidden_dims: [a]}", "run: {directory: ''}", "run: {directory: {a: b}}",
    "log: {level: null}", "log: {level: loud}", "model: {activation: gelu}", "model: {name: unheard_of}", "train: {cuda_graph: perhaps}",
    "distributed: {threads_per_rank: many}", "train: {global_batch: 0}", "metrics: {port: 65536}", "metrics: {port: -1}", "train: {gradient_clip_norm: 0}",
    "train: {ema_decay: 1}", "train: {ema_decay: 0}", "objective: {sigma: 0}", "train: {epochs: 1000000000001}", "train: {gradient_clip_norm: 1.0e+31}",
    "train: {optimizer: {betas: [0.9]}}", "train: {optimizer: {betas: [0.9, 1]}}", "train: {optimizer: {betas: []}}", "data: {range: [0, 255]}",
    "data: {range: [0]}", "data: {flip: [X]}", "data: {flip: X}", "data: {normalize: none, transform: square}", "data: {validation: {fraction: 1}}",
    "model: {name: mlp_vae, blocks: 2}", "train: {optimizer: {name: sgd, betas: [0.9, 0.99]}}", "objective: {likelihood: bernoulli, sigma: 1}",
    "objective: {likelihood: laplace, variance: learned}",
    "objective: {regularisers: tc}", "objective: {regularisers: [tc]}", "objective: {regularisers: [{weight: 3}]}", "objective: {regularisers: [{name: mse}]}",
    "objective: {regularisers: [{name: tc, kind: ii}]}", "objective: {regularisers: [{name: tc, weight: -1}]}", "objective: {regularisers: [{name: dip, kind: iii}]}",
    "objective: {regularisers: [{name: tc, schedule: cosine}]}", "run: {seed: 9223372036854775808}", "run: {seed: -1}", "include: {a: b}", "include: []", "include: [{a: b}]",
    "train.epochs: many", "train.optimizer: {name: lion}", "train: {optimizer.name: lion}", "model: 3",
]

# The program accepts each below the required keys, and the schema does.
RIGHT = [
    "", "train: {steps: null}", "train: {optimizer: null}", "train:", "data: {validation: {file: null}}", "metrics: {port: null, address: auto, push_gateway: null}",
    "run: {directory: 2024}", "run: {directory: true}", "x-mine: [1, {a: b}]", "train.epochs: 3", "train.optimizer: {name: sgd}", "train: {optimizer.name: sgd}",
    "model: {hidden_dims: []}", "data: {train: {rows: [0, 5]}}", "data: {train: {rows: []}}", "data: {train: {rows: null}}", "data: {train: {dataset: [a, b]}}",
    "data: {train: {dataset: null}}", "data: {train: {scale: auto}}", "data: {train: {scale: 0.5}}", "data: {flip: W}", "data: {flip: [H, W]}", "data: {range: [-1.0, 1.0]}",
    "data: {normalize: none, transform: [log1p, none]}", "data: {shuffle_window_chunks: auto}", "data: {shuffle_window_chunks: 4}", "train: {cuda_graph: auto}", "train: {cuda_graph: false}",
    "run: {seed: 9223372036854775807}", "model: {name: resnet_vae, blocks: 3}", "train: {optimizer: {name: adamax, betas: [0.5, 0.5]}}",
    "objective: {likelihood: laplace}", "objective: {regularisers: []}", "train: {learning_rate_batch: 64, optimizer: {learning_rate: 1e-4}}",
    "objective: {regularisers: [{name: tc, weight: 3, schedule: linear, steps: 10}, {name: dip, kind: i}]}", "x-a: &a {epochs: 3}\ntrain: {<<: *a, steps: 4}",
]


def loaded(text):
    return YAML(typ="safe", pure=True).load(text)


def merged(base, more):
    out = copy.deepcopy(base)
    for key, value in (more or {}).items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


class Schema(runs.RunFolder):
    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.text = cls.program("config", "--schema", check=True).stdout
        cls.schema = json.loads(cls.text)
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def complaints(self, config):
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in self.validator.iter_errors(config)]

    def verdicts(self, texts):
        """Whether the program accepts each: (text, whole configuration, its message)."""
        self.write_config("a.yaml", "{}")
        for text in texts:
            whole = merged(REQUIRED, loaded(text))
            # The program reads what was written, with the required keys where the text leaves them out.
            required = [f"{name}={value}" for name, value in (("run.name", "x"), ("data.train.file", "a.h5"))]
            self.write_config("tried.yaml", text or "{}")
            done = self.program("config", "--config", "tried.yaml", *required)
            self.assertIn(done.returncode, (0, 2), done.stderr)
            yield text, whole, done.stderr

    def test_it_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_the_shipped_one_is_the_programs(self):
        self.assertEqual((runs.SOURCE / "configs/schema.json").read_text(), self.text, "tests/checks/update_keys.py writes it")

    def test_shipped_configurations_are_valid_and_name_it(self):
        self.assertGreaterEqual(len(SHIPPED), 15)
        for file in SHIPPED:
            with self.subTest(file.name):
                text = file.read_text()
                self.assertEqual(self.complaints(loaded(text)), [])
                named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
                self.assertTrue(named, "the first line is for editors")
                self.assertTrue((file.parent / named[1]).samefile(runs.SOURCE / "configs/schema.json"))

    def test_both_refuse_what_is_wrong(self):
        for text, whole, said in self.verdicts(WRONG):
            with self.subTest(text):
                self.assertNotEqual(said, "", "the program accepts it")
                self.assertNotEqual(self.complaints(whole), [], f"the schema accepts it; the program says {said}")

    def test_both_accept_what_is_right(self):
        for text, whole, said in self.verdicts(RIGHT):
            with self.subTest(text):
                self.assertEqual(said, "")
                self.assertEqual(self.complaints(whole), [])

    def test_the_printed_defaults_are_valid_once_the_required_keys_are_filled_in(self):
        defaults = self.program("config", check=True).stdout
        self.assertEqual(len(self.complaints(loaded(defaults))), 2, "run.name and data.train.file are not filled in")
        self.assertEqual(self.complaints(merged(loaded(defaults), REQUIRED)), [])
        # Keys without effect are comments there; they have a default all the same.
        everything = re.sub(r"^( *)# (\w+: )", r"\1\2", defaults, flags=re.MULTILINE)
        self.assertIn("\n  blocks: 2", everything)

    def test_each_default_is_valid_for_its_key(self):
        checked = 0
        for name, definition in self.schema["$defs"].items():
            for row in definition["anyOf"] if "description" not in definition and "anyOf" in definition else [definition]:
                if "properties" in row:
                    continue
                self.assertIn("description", row, name)
                if name in ("run.name", "data.train.file"):
                    self.assertNotIn("default", row)
                    continue
                with self.subTest(name):
                    self.assertEqual(list(jsonschema.Draft202012Validator(row).iter_errors(row["default"])), [])
                    checked += 1
        self.assertGreater(checked, 130)

    def test_every_printed_key_is_in_it(self):
        path, names = [], set()
        for line in self.program("config", check=True).stdout.splitlines():
            if found := re.match(r"( {0,8})(?:# )?(\w+):", line):
                path = [*path[:len(found[1]) // 2], found[2]]
                names.add(".".join(path))
        self.assertEqual(names - {"include"}, set(self.schema["$defs"]))
        self.assertIn("include", self.schema["properties"])

    def test_items_of_a_list_have_defaults_and_meanings(self):
        items = self.schema["$defs"]["objective.regularisers"]["items"]
        by_name = {each["if"]["properties"]["name"]["const"]: each["then"]["properties"] for each in items["allOf"]}
        self.assertEqual(sorted(by_name), sorted(items["properties"]["name"]["enum"]))
        self.assertEqual(by_name["dip"]["kind"]["enum"], ["i", "ii"])
        for name, keys in by_name.items():
            for key, schema in keys.items():
                self.assertTrue(schema["description"], f"{name}.{key}")
                if key != "name":
                    jsonschema.Draft202012Validator(schema).validate(schema["default"])

    def test_it_is_asked_for_alone(self):
        done = self.program("config", "--schema", "--config", "run.yaml")
        self.assertEqual((done.returncode, done.stdout), (2, ""))


if __name__ == "__main__":
    unittest.main()
