"""The lesson with short trainings: its page is complete, the functions it names exist, and its predictions come true."""
import json
import os
import re
import subprocess
import unittest

import browser
from runs import BINARY, SOURCE, RunFolder


class Lesson(RunFolder):
    IMAGES = ["--count", "1200", "--size", "16", "--channels", "1"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.done = cls.program("lesson", "--data", "shapes.h5", "--out", "made/lesson.html", "--steps", "300", check=True, timeout=600)
        cls.page = (cls.folder / "made" / "lesson.html").read_text()
        cls.numbers = json.loads((cls.folder / "made" / "lesson.json").read_text())

    def test_the_page_has_all_parts(self):
        for title in ("The autoencoder", "Why it makes no images", "A decoder with a prior", "Why it fails", "The variational autoencoder", "What the bound lacks",
                      "Why the draw is reparameterised", "Samples side by side", "The width of p(x|z)", "The weight of the KL"):
            self.assertIn(title, self.page)
        self.assertGreater(self.page.count("data:image/png;base64,"), 10)
        self.assertGreater(self.page.count("<svg"), 5)

    def test_every_function_that_it_names_is_in_the_file_that_it_names(self):
        named = re.findall(r"<code>(.*?)</code> in <code>(.*?)</code>", self.page)
        self.assertGreater(len(named), 8)
        for functions, file in named:
            source = (SOURCE / re.sub(r"<.*?>", "", file)).read_text()
            for function in re.sub(r"<.*?>", "", functions).split(", "):
                with self.subTest(function):
                    self.assertRegex(source, rf"\b{function.split('::')[-1]}\(")

    def test_the_systems_learn_and_differ_as_it_says(self):
        autoencoder, vae = self.numbers["autoencoder"], self.numbers["vae"]
        for system in (autoencoder, vae):
            self.assertLess(system["mse"], 0.5 * self.numbers["mean_image_mse"])
        self.assertGreater(vae["kld_nats"], 2)
        self.assertLess(abs(vae["code_deviation"] - 1), abs(autoencoder["code_deviation"] - 1), "the VAE's latents lie where the prior is")

    def test_hardly_a_draw_of_the_prior_counts(self):
        for decoder in self.numbers["decoders"]:
            self.assertGreaterEqual(decoder["effective_samples"], 1)
        self.assertLess(self.numbers["decoders"][-1]["effective_samples"], 0.05 * self.numbers["decoders"][-1]["draws"])

    def test_a_weight_that_is_predicted_to_collapse_does(self):
        weights = self.numbers["kld_weights"]
        self.assertGreater(weights[0]["kld_nats"], 2)
        self.assertLess(weights[-1]["kld_nats"], 0.5, "three times the weight of the prediction")
        self.assertGreater(weights[-1]["mse"], 0.9 * self.numbers["mean_image_mse"])
        kld = [each["kld_nats"] for each in self.numbers["betas"]]
        self.assertLess(kld[-1], kld[0])

    def test_what_the_bound_lacks_is_the_distance_to_the_true_posterior(self):
        """The gap (a sum over a grid less a bound without the grid) and the KL (a sum over the grid) of every image."""
        two = self.numbers["two_latents"]
        self.assertGreater(two["images"], 50)
        self.assertGreater(two["gap_nats"], 0.01, "a gap that can be seen at all")
        self.assertLess(two["largest_difference_nats"], 1e-3)
        self.assertAlmostEqual(two["gap_nats"], two["kl_to_true_posterior_nats"], delta=1e-3)
        self.assertLess(two["grid_error_nats"], 1e-3)
        self.assertGreater(two["least_kl_nats"], 0)
        self.assertGreater(two["largest_kl_nats"], 2 * two["least_kl_nats"])

    def test_the_gap_shrinks_with_training_and_with_draws(self):
        two, trained = self.numbers["two_latents"], self.numbers["trained_with_weighted_bound"]
        gaps = [point["log_p_nats"] - point["bound_nats"] for point in two["training"]]
        self.assertLess(gaps[-1], 0.5 * max(gaps))
        self.assertGreater(two["training"][-1]["log_p_nats"], two["training"][0]["log_p_nats"])
        lacks = [point["log_p_nats"] - point["bound_nats"] for point in two["weighted_bounds"]]
        self.assertEqual(two["weighted_bounds"][0]["draws"], 1)
        self.assertAlmostEqual(lacks[0], two["gap_nats"], delta=0.1 * two["gap_nats"] + 0.05, msg="the bound of one draw is the ELBO, here from draws")
        self.assertEqual(lacks, sorted(lacks, reverse=True), "a bound that rises with K")
        self.assertLess(lacks[-1], 0.8 * lacks[0])
        self.assertLess(two["weighted_bounds"][-1]["median_gap_nats"], 0.2 * two["weighted_bounds"][0]["median_gap_nats"])
        self.assertLess(trained["log_p_nats"] - trained["bound_nats"], trained["log_p_nats"] - trained["elbo_nats"])

    def test_both_gradients_have_one_mean_and_unequal_variances(self):
        path, score, with_baseline = self.numbers["gradient_estimators"]
        for each in (score, with_baseline):
            self.assertLess(each["difference"], 2, "standard errors")
            self.assertGreater(each["share_within_two_errors"], 0.7)
        self.assertGreater(score["variance"], 100 * path["variance"])
        self.assertGreater(with_baseline["variance"], 2 * path["variance"])

    def test_a_predicted_width_is_worth_it_and_comes_true(self):
        fixed, shared_by_all, of_image, of_pixel = self.numbers["widths"]
        self.assertGreater(of_image["elbo_nats"], fixed["elbo_nats"])
        widths = self.numbers["predicted_widths"]
        self.assertEqual(widths["sigma"], sorted(widths["sigma"]))
        self.assertGreater(widths["error"][-1], widths["error"][0], "the images that it is least sure of are those with the largest errors")

    def test_its_trainings_share_the_cores_and_find_the_same_on_any_number(self):
        made = {}
        for cores in {1, len(os.sched_getaffinity(0))}:
            chosen = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
            done = subprocess.run(["taskset", "-c", chosen, BINARY, "lesson", "--data", "shapes.h5", "--out", f"on_{cores}/lesson.html", "--steps", "20"], cwd=self.folder, text=True,
                                  capture_output=True, timeout=600)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("one training at a time" if cores == 1 else f"{cores} trainings at a time", done.stderr)
            made[cores] = (self.folder / f"on_{cores}" / "lesson.json").read_bytes()
        self.assertEqual(len(set(made.values())), 1, "the same numbers to the last digit")

    @unittest.skipUnless(browser.PROGRAM, "not run: neither chromium nor google-chrome was found")
    def test_subscripts_stand_below_the_line(self):
        """For any formula font of the browser, the lower edge of M_N's N is visibly below that of its M."""
        with browser.Browser() as opened:
            page = opened.open(self.folder / "made" / "lesson.html")
            lowered = page.evaluate("""[...document.querySelectorAll('msub')].filter(each => each.textContent === 'MN').map(each => {
              const [base, script] = [...each.children].map(part => part.getBoundingClientRect());
              return (script.bottom - base.bottom) / parseFloat(getComputedStyle(each).fontSize); })""")
        self.assertGreater(len(lowered), 1)
        for share in lowered:
            self.assertGreater(share, 0.15, "of the size of the font")

    def test_data_that_are_not_there_are_refused(self):
        done = self.program("lesson", "--data", "nowhere.h5", "--out", "made/none.html")
        self.assertEqual(done.returncode, 2)
        self.assertIn("nowhere.h5", done.stderr)


if __name__ == "__main__":
    unittest.main()
