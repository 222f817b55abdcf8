// Opens pages in headless Chromium, at several widths, light and dark, and prints what is wrong.
//
// usage: node check.mjs [--shots FOLDER] PAGE...
// Prints one line per problem; exits 1 where there is one, 3 where the browser is missing.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);
const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";
let playwright, axe;
try {
  playwright = require("playwright-core");
  axe = require.resolve("axe-core");
} catch {
  console.log("playwright-core or axe-core is missing");
  process.exit(3);
}
if (!existsSync(chromium)) {
  console.log(`${chromium} is missing`);
  process.exit(3);
}

const args = process.argv.slice(2);
const shots = args[0] === "--shots" ? args.splice(0, 2)[1] : undefined;
const widths = [360, 768, 1440];
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const problems = [];
const browser = await playwright.chromium.launch({ executablePath: chromium, args: flags });

/** What can be seen from inside the page; evaluated by the driver, which works without scripts. */
function look() {
  const found = [];
  const root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.querySelectorAll("body *")]
      .filter((it) => it.getBoundingClientRect().right > root.clientWidth + 1)
      .filter((it) => !it.closest(".scroll, pre, svg, .skip"))
      .map((it) => `${it.tagName}.${it.getAttribute("class") ?? ""}`);
    found.push(`scrolls sideways: ${[...new Set(wide)].slice(0, 5).join(", ")}`);
  }
  // Texts that stand on one another. Only leaves are looked at, and only those in sight.
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || parent.closest(".scroll, pre, .skip, title, style")) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const box of range.getClientRects()) {
      if (box.width > 1 && box.height > 1) texts.push({ box, parent, text: walker.currentNode.data.trim() });
    }
  }
  texts.sort((a, b) => a.box.top - b.box.top);
  for (let i = 0; i < texts.length; i++) {
    for (let j = i + 1; j < texts.length && texts[j].box.top < texts[i].box.bottom; j++) {
      const a = texts[i].box, b = texts[j].box;
      const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (x > 2 && y > Math.min(a.height, b.height) * 0.4) {
        found.push(`overlaps: "${texts[i].text.slice(0, 40)}" and "${texts[j].text.slice(0, 40)}"`);
      }
    }
  }
  // A drawing whose text leaves its frame.
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    if (frame.width === 0) continue;
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (box.right > frame.right + 1 || box.left < frame.left - 1 || box.bottom > frame.bottom + 1) {
        found.push(`leaves its drawing: "${text.textContent.slice(0, 40)}"`);
      }
      if (box.height < 8) found.push(`too small to read: "${text.textContent.slice(0, 40)}"`);
    }
  }
  return found.slice(0, 12);
}

/** What is copied of a panel is JSON, and all of it. */
function panels() {
  const found = [];
  for (const panel of document.querySelectorAll("pre")) {
    const selection = getSelection();
    selection.selectAllChildren(panel);
    const text = selection.toString();
    try {
      JSON.parse(text);
      const label = panel.getAttribute("aria-label") ?? "";
      if (text.includes("…") && !label.endsWith("shortened")) found.push(`copies in part: "${label}"`);
    } catch (error) {
      found.push(`copies as no JSON: "${panel.getAttribute("aria-label")}": ${error.message}`);
    }
    selection.removeAllRanges();
  }
  return found;
}

/** What is drawn reaches across a wide screen: no third of it stays empty from top to bottom. */
function filled() {
  const found = [];
  const width = document.documentElement.clientWidth;
  for (const section of document.querySelectorAll("main section")) {
    const boxes = [...section.querySelectorAll("p, li, table, pre, svg, h2, h3")]
      .map((it) => it.getBoundingClientRect()).filter((it) => it.width > 0);
    if (boxes.length < 4) continue;
    const left = Math.min(...boxes.map((it) => it.left)), right = Math.max(...boxes.map((it) => it.right));
    if (right - left < width * 0.8) found.push(`leaves the width unused: ${section.id}, ${Math.round(right - left)} of ${width}`);
  }
  return found;
}

/** Pointing at a digest marks all its places, without any script of the page. */
async function marking(page, say) {
  const link = page.locator("main a.digest:visible").first();
  if ((await link.count()) === 0) return;
  const own = (await link.getAttribute("class")).split(" ").find((it) => /^d\d+$/.test(it));
  const colour = () => page.evaluate((name) =>
    [...document.querySelectorAll(`main .${name}`)].map((it) => {
      const style = getComputedStyle(it);
      return it instanceof SVGElement ? style.fill : style.backgroundColor;
    }), own);
  const before = await colour();
  await link.focus();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Tab");
  const after = await colour();
  if (after.some((it, at) => it === before[at])) say("focus does not mark every place of a digest");
}

for (const path of args) {
  for (const scripts of [false, true]) {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of widths) {
        const at = `${basename(path)} at ${width}, ${colorScheme}${scripts ? "" : ", no scripts"}`;
        const say = (what) => problems.push(`${at}: ${what}`);
        const context = await browser.newContext({
          viewport: { width, height: 900 }, colorScheme, javaScriptEnabled: scripts,
        });
        const page = await context.newPage();
        page.on("console", (it) => it.type() === "error" && say(`console: ${it.text()}`));
        page.on("pageerror", (it) => say(`error: ${it.message}`));
        page.on("request", (it) => {
          if (it.url() !== pathToFileURL(path).href) say(`request: ${it.url().slice(0, 120)}`);
        });
        await page.goto(pathToFileURL(path).href);
        for (const what of await page.evaluate(look)) say(what);
        for (const what of await page.evaluate(panels)) say(what);
        if (width === 768) {
          await page.emulateMedia({ media: "print" });
          const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
          if (wide > width) say(`is wider than paper: ${wide}`);
          await page.emulateMedia({ media: "screen" });
        }
        if (width === 1440) for (const what of await page.evaluate(filled)) say(what);
        if (!scripts) {
          await marking(page, say);
          if (shots) await page.screenshot({ path: join(shots, `${basename(path)}-${width}-${colorScheme}.png`), fullPage: true });
        } else {
          // The policy of the page lets no script in; the checker comes in through the driver.
          const source = readFileSync(axe, "utf8");
          await page.evaluate(source);
          const result = await page.evaluate(() => window.axe.run(document));
          for (const it of result.violations) {
            if (["serious", "critical"].includes(it.impact)) {
              say(`${it.impact}: ${it.id}: ${it.help}: ${it.nodes[0].html.slice(0, 160)}`);
            }
          }
        }
        await context.close();
      }
    }
  }
}
await browser.close();
problems.forEach((it) => console.log(it));
process.exit(problems.length === 0 ? 0 : 1);
