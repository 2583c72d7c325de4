"""The report of a run in a browser: wide and narrow, light and dark, with and without scripts."""
import unittest

from browser import Browser
from runs import RunFolder


class ReportInABrowser(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("one", "train.steps=40", "evaluate.every_epochs=1", "pictures.every_epochs=1", "pictures.samples=8", "pictures.reconstructions=8")
        cls.train("two", "train.steps=20", "evaluate.every_epochs=1", "model.latent_dim=3")
        cls.program("report", "runs/one", check=True)
        cls.program("report", "runs/one", "runs/two", "--out", "both.html", check=True)
        cls.browser = Browser().__enter__()
        cls.addClassCleanup(cls.browser.__exit__)

    def pages(self, **options):
        for path in (self.run_path("one") / "report.html", self.folder / "both.html"):
            yield path.name, self.browser.open(path, **options)

    def test_it_fits_wide_and_narrow_windows_and_the_console_stays_silent(self):
        for width in (1280, 400, 320):
            for dark in (False, True):
                for name, page in self.pages(width=width, dark=dark):
                    with self.subTest(page=name, width=width, dark=dark):
                        self.assertEqual(page.evaluate("innerWidth"), width)
                        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width)
                        self.assertEqual(page.problems, [])
                        self.assertEqual([each for each in page.requests if not each.startswith(("data:", "file:"))], [])
                        # A chart's text must stay inside the page too, because SVG text is clipped without a scroll bar.
                        self.assertEqual(page.evaluate("[...document.querySelectorAll('svg.chart text')].filter(each => { const box = each.getBoundingClientRect();"
                                                       " return box.width > 0 && (box.left < 0 || box.right > innerWidth); }).map(each => each.textContent)"), [])

    def test_words_can_be_read_in_light_and_dark(self):
        # Contrast by WCAG 2.2: 4.5 for text; 3 for lines of charts.
        contrast = """(() => {
          const light = colour => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const ratio = (one, two) => { const [a, b] = [light(one), light(two)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
          const paper = getComputedStyle(document.body).backgroundColor, style = (selector, property) => getComputedStyle(document.querySelector(selector))[property];
          return {text: ratio(style("main p, main td", "color"), paper), note: ratio(style("figcaption", "color"), paper), tick: ratio(style(".chart text", "fill"), paper),
                  link: ratio(style("a", "color"), paper), line: ratio(style(".line.c0", "stroke"), paper), dashed: ratio(style(".line.c1", "stroke"), paper)};
        })()"""
        papers = set()
        for dark in (False, True):
            page = self.browser.open(self.run_path("one") / "report.html", dark=dark)
            papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            for what, ratio in page.evaluate(contrast).items():
                self.assertGreaterEqual(ratio, 3 if what in ("line", "dashed") else 4.5, f"{what}, dark={dark}")
        self.assertEqual(len(papers), 2)

    def test_the_slider_goes_through_the_pictures(self):
        page = self.browser.open(self.run_path("one") / "report.html")
        slider = "document.querySelector('.slider')"
        self.assertFalse(page.evaluate(f"{slider}.querySelector('input').hidden"))
        self.assertTrue(page.evaluate(f"{slider}.querySelector('details').hidden"))
        caption, image = f"{slider}.querySelector('figcaption').textContent", f"{slider}.querySelector('img').src"
        self.assertEqual(page.evaluate(caption), "step 40")
        newest = page.evaluate(image)
        page.evaluate(f"{slider}.querySelector('input').value = 0; {slider}.querySelector('input').dispatchEvent(new Event('input'))")
        self.assertEqual(page.evaluate(caption), "step 12")
        self.assertNotEqual(page.evaluate(image), newest)
        self.assertEqual(page.evaluate(f"{slider}.querySelector('input').getAttribute('aria-valuetext')"), "step 12")
        page.evaluate(f"{slider}.querySelector('input').value = 99; {slider}.querySelector('input').dispatchEvent(new Event('input'))")
        self.assertEqual(page.evaluate(image), newest)
        self.assertEqual(page.problems, [])

    def test_without_scripts_the_newest_picture_shows_and_the_others_are_in_a_list(self):
        page = self.browser.open(self.run_path("one") / "report.html", scripts=False)
        nodes = page.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        visible = lambda selector: self.shown(page, nodes, selector)
        self.assertTrue(visible(".slider > figure img"))
        self.assertTrue(visible(".slider summary"))
        self.assertFalse(visible(".slider input"))

    @staticmethod
    def shown(page, document, selector):
        node = page.call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        try:
            return page.call("DOM.getBoxModel", nodeId=node)["model"]["width"] > 0
        except AssertionError:
            return False  # an element without a box is not shown


if __name__ == "__main__":
    unittest.main()
