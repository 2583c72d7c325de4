"""Disentanglement scores at equal reconstruction: beta-VAE, beta-TCVAE, FactorVAE and DIP-VAE-II on the built-in grey shapes, whose factors are known.

    python tests/bench/disentanglement.py build/vae_dist runs_of_scores [--steps 2000] [--seeds 3] [--size 32] [--jobs 2]

Every objective is trained with several weights and seeds (runs that are there already are not repeated), and evaluated on held-out samples by `vae_dist evaluate`; DCI is computed here with the boosted trees of
scikit-learn. A larger weight costs reconstruction, so scores are compared at equal squared error: along each objective's weights, a seed's score is interpolated linearly over its error. The interval is that of
a bootstrap over seeds of the mean difference from beta-VAE, over the errors that both reach.
"""
import argparse
import concurrent.futures
import itertools
import json
import pathlib
import subprocess
import sys

import h5py
import numpy as np

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs/shapes_beta.yaml"
METHODS = {
    "beta": [(weight, [f"objective.beta.value={weight}"]) for weight in (1, 2, 4, 8)],
    "tc": [(weight, [f"objective.regularisers=[{{name: tc, weight: {weight}}}]"]) for weight in (1, 3, 7, 15)],
    "factor": [(weight, [f"objective.regularisers=[{{name: factor, weight: {weight}, width: 200}}]"]) for weight in (2, 6, 15, 35)],
    "dip": [(weight, [f"objective.regularisers=[{{name: dip, weight: {weight}}}]"]) for weight in (1, 5, 20, 50)],
}
SCORES = ("mig", "sap", "factor_vae", "beta_vae", "dci")
TRAINED, HELD_OUT = 18000, 20000


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}{done.stdout}")


def entropy(rows, base):
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.nansum(np.where(rows > 0, rows * np.log(rows), 0), axis=1) / np.log(base)


def dci(codes, samples=1000, trees=30):
    """Eastwood, Williams 2018: the disentanglement of the importance of each code for each factor, by boosted trees."""
    from sklearn.ensemble import GradientBoostingClassifier

    with h5py.File(codes) as file:
        mu, factors = file["mu"][:samples], file["latents/classes"][:samples]
    importance = np.array([GradientBoostingClassifier(n_estimators=trees, random_state=0).fit(mu, factors[:, k]).feature_importances_
                           for k in range(factors.shape[1]) if len(np.unique(factors[:, k])) > 1]).T + 1e-11
    of_codes = importance.sum(1)
    disentanglement = 1 - entropy(importance / of_codes[:, None], importance.shape[1])
    return float((disentanglement * of_codes / of_codes.sum()).sum())


def scored(options, method, weight, overrides, seed):
    name = f"{method}_{weight}_{seed}"
    result = options.out / f"{name}.json"
    if result.exists():
        return json.loads(result.read_text())
    data = options.out / "shapes_grey.h5"
    common = [f"data.train.file={data}", f"data.validation.file={data}", f"run.seed={seed}", f"run.name={name}", f"run.directory={options.out / 'runs'}", f"train.steps={options.steps}",
              "model.hidden_dims=[32, 32, 64]", "distributed.threads_per_rank=1"]
    run(options.binary, "--config", CONFIG, *common, *overrides)
    checkpoint, evaluation, codes = options.out / "runs" / name, options.out / f"{name}.evaluation", options.out / f"{name}.h5"
    rows = ["--data", data, "--rows", f"{TRAINED}:{HELD_OUT}"]
    run(options.binary, "evaluate", "--checkpoint", checkpoint, *rows, "--coverage", 0, "--total-correlation", "--json", evaluation)
    run(options.binary, "embed", "--checkpoint", checkpoint, *rows, "--out", codes, "--overwrite")
    found = json.loads(evaluation.read_text())
    scores = found["disentanglement"]
    out = {"mse": found["mse"], "tc": found["aggregate_posterior"]["total_correlation"], "dci": dci(codes), **{name: scores[name] for name in ("mig", "sap", "factor_vae", "beta_vae")}}
    result.write_text(json.dumps(out))
    return out


def at_errors(points, score, errors):
    """A seed's score over its errors; outside of what its weights reach: nan."""
    points = sorted(points, key=lambda point: point["mse"])
    return np.interp(errors, [point["mse"] for point in points], [point[score] for point in points], left=np.nan, right=np.nan)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.binary, options.out = options.binary.resolve(), options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    if not (options.out / "shapes_grey.h5").exists():
        run(options.binary, "data", "make-shapes", options.out / "shapes_grey.h5", "--channels", 1, "--size", options.size)

    tasks = [(method, weight, overrides, seed) for seed, method in itertools.product(range(options.seeds), METHODS) for weight, overrides in METHODS[method]]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        found = dict(zip([(method, weight, seed) for method, weight, _, seed in tasks], pool.map(lambda task: scored(options, *task), tasks)))

    print(f"{'objective':<10}{'weight':>7}{'MSE':>9}{'TC':>8}" + "".join(f"{score:>12}" for score in SCORES) + f"   (means of {options.seeds} seeds, {options.steps} steps)")
    for method, weights in METHODS.items():
        for weight, _ in weights:
            seeds = [found[method, weight, seed] for seed in range(options.seeds)]
            mean = {key: np.mean([each[key] for each in seeds]) for key in seeds[0]}
            print(f"{method:<10}{weight:>7}{mean['mse']:>9.5f}{mean['tc']:>8.3f}" + "".join(f"{mean[score]:>12.3f}" for score in SCORES))

    random = np.random.default_rng(0)
    print(f"\n{'minus beta':<10}" + "".join(f"{score:>28}" for score in SCORES) + "   (at equal MSE; 95 % of a bootstrap over seeds)")
    for method in [name for name in METHODS if name != "beta"]:
        cells = []
        for score in SCORES:
            of = {name: [[found[name, weight, seed] for weight, _ in METHODS[name]] for seed in range(options.seeds)] for name in (method, "beta")}
            errors = [point["mse"] for seeds in of.values() for points in seeds for point in points]
            errors = np.linspace(min(errors), max(errors), 100)
            curves = {name: np.array([at_errors(points, score, errors) for points in seeds]) for name, seeds in of.items()}

            def difference(ours, theirs):
                both = ~np.isnan(curves[method][ours]).any(0) & ~np.isnan(curves["beta"][theirs]).any(0)
                return (curves[method][ours].mean(0) - curves["beta"][theirs].mean(0))[both].mean() if both.any() else np.nan

            every = np.arange(options.seeds)
            drawn = [difference(random.choice(every, options.seeds), random.choice(every, options.seeds)) for _ in range(1000)]
            low, high = np.nanpercentile(drawn, [2.5, 97.5])
            cells.append(f"{difference(every, every):+.3f} [{low:+.3f}, {high:+.3f}]")
        print(f"{method:<10}" + "".join(f"{cell:>28}" for cell in cells))


if __name__ == "__main__":
    main()
