// One photo, enlarged, with every probability.

const WORDS = { tp: "true positive", fp: "false positive", fn: "false negative", tn: "" };
const SIGNS = { tp: "", fp: "+", fn: "−", tn: "" }; // wrongly given, missed
const KINDS = Object.fromEntries(Object.entries(OUTCOMES).map(([kind, code]) => [code, kind]));

// The photos of the page, each base64 text of its own that becomes an image only where it is shown.
class Images {
  constructor() {
    this.texts = [];
  }

  load(element) {
    if (element.textContent) this.texts = element.textContent.split("\n");
  }

  source(photo) {
    return `data:image/webp;base64,${this.texts[photo]}`;
  }
}

function swatch(study, label) {
  const mark = make("span", { class: "swatch", "aria-hidden": "true" });
  mark.style.background = study.colors[label];
  return mark;
}

class PhotoView {
  constructor(dialog, study, images, asked, marked) {
    Object.assign(this, { dialog, study, images, asked, marked, photos: [], place: 0, touched: false });
    this.check = new Check(study, asked, (told) => this.mark(told));
    // What was marked, for those who do not see it; it stays while the rest is drawn anew.
    this.told = make("p", { id: "told", class: "skip", role: "status", "aria-live": "polite" });
    dialog.append(this.told);
    this.byProbability = study.width > 24;
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select")) return;
      if (step) this.step(step);
      else if (!this.check.key(event)) return;
      event.preventDefault();
    });
    // A click beside the box, on the backdrop, lands on the dialog itself.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  open(photos, place) {
    this.photos = photos;
    this.place = place;
    this.check.open(photos[place]);
    this.told.textContent = "";
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
  }

  step(by) {
    const place = this.place + by;
    if (place < 0 || place >= this.photos.length) return;
    const focused = document.activeElement?.dataset.step;
    this.open(this.photos, place);
    const button = this.dialog.querySelector(`[data-step="${focused ?? by}"]`);
    (button.disabled ? this.dialog.querySelector(".close") : button).focus();
  }

  mark(told) {
    this.touched = true;
    this.told.textContent = told;
    this.marked();
  }

  draw() {
    const photo = this.photos[this.place];
    const name = shortName(this.study, photo);
    const step = (by, text, label) =>
      make("button", {
        type: "button",
        "data-step": String(by),
        "aria-label": label,
        disabled: !(this.place + by in this.photos),
        autofocus: by > 0,
        onclick: () => this.step(by),
      }, text);
    const head = make("header", {},
      make("h2", { id: "photo-title" }, name),
      make("p", { role: "status" }, `${(this.place + 1).toLocaleString("en")} of ${this.photos.length.toLocaleString("en")}`),
      step(-1, "←", "Photo before"),
      step(1, "→", "Next photo"),
      make("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => this.dialog.close() }, "✕"));
    const box = make("div", { class: "box" }, head, make("div", { class: "parts" }));
    const parts = box.lastChild;
    if (this.images.texts.length) {
      parts.append(make("img", { src: this.images.source(photo), alt: `Photo ${name}`, width: 512, height: 512 }));
    }
    parts.append(make("div", { class: "numbers" }, this.truth(photo), ...this.check.draw(), ...this.bars(photo), ...this.rows(photo)));
    this.dialog.querySelector(".box")?.remove();
    this.dialog.prepend(box);
  }

  truth(photo) {
    const { study } = this;
    const labels = study.labelsWith(study.answer(this.asked.row), photo, ANNOTATED);
    const names = labels.map((label) => make("span", { class: "name" }, swatch(study, label), study.labels[label]));
    return make("p", {}, make("b", {}, "Annotated "), ...(names.length ? names : ["no label"]),
      make("small", { class: "path" }, study.names[photo]));
  }

  // The rows looked at: the chosen one, and the one it is compared with.
  looked() {
    const { asked, study } = this;
    return [asked.row, asked.other].filter((row, i, all) => row in study.rows && all.indexOf(row) === i);
  }

  bars(photo) {
    const { study } = this;
    const looked = this.looked();
    if (!looked.length || !study.width) return [];
    const [first] = looked;
    const order = study.labels.map((_, label) => label);
    if (this.byProbability) {
      order.sort((a, b) => study.answer(first).probability(photo, b) - study.answer(first).probability(photo, a));
    }
    const body = make("tbody", {});
    for (const label of order) {
      looked.forEach((row, rank) => body.append(this.bar(photo, label, row, rank, looked.length)));
    }
    const title = looked.map((row, rank) => `${rank ? "thin: " : ""}${study.rows[row].title}`).join(", ");
    const sorter = make("label", { class: "sorter" },
      make("input", { type: "checkbox", checked: this.byProbability, onchange: (event) => {
        this.byProbability = event.target.checked;
        this.draw();
        this.dialog.querySelector(".sorter input").focus();
      } }), "highest first");
    return [
      make("div", { class: "over" }, make("p", {}, title), sorter),
      make("table", { class: "bars" },
        make("caption", { class: "skip" }, `Probability of each label, ${title}`),
        make("thead", { class: "skip" }, make("tr", {}, ...["label", "bar", "probability", "outcome"].map((text) => make("th", { scope: "col" }, text)))),
        body),
      make("p", { class: "key" }, "● annotated. The stroke across a bar is the threshold. + wrongly given, − missed."),
    ];
  }

  bar(photo, label, row, rank, ranks) {
    const { study } = this;
    const answer = study.answer(row);
    const probability = answer.probability(photo, label);
    const threshold = answer.row.thresholds[label];
    const outcome = answer.outcome(photo, label);
    const kind = KINDS[outcome];
    const fill = make("span", { class: "fill" });
    fill.style.width = `${100 * probability}%`;
    fill.style.background = study.colors[label];
    const mark = make("span", { class: "threshold" });
    mark.style.left = `${100 * Math.min(1, Math.max(0, threshold))}%`;
    const cells = [
      make("td", { class: rank ? "track thin" : "track" }, make("span", {}, fill, mark)),
      make("td", { class: "number" }, shown(probability, threshold, 3)),
      make("td", { class: `outcome ${kind}` }, WORDS[kind]),
    ];
    if (!rank) {
      const annotated = outcome & 2 ? make("span", { class: "annotated", role: "img", "aria-label": "annotated" }, "●") : "";
      cells.unshift(make("th", { scope: "rowgroup", rowSpan: ranks, title: study.labels[label] }, annotated, study.labels[label]));
    }
    return make("tr", { class: kind === "tn" ? "quiet" : "" }, ...cells);
  }

  rows(photo) {
    const { study } = this;
    if (study.rows.length < 2) return [];
    const body = make("tbody", {});
    study.rows.forEach((row, place) => {
      const answer = study.answer(place);
      const told = study.labelsWith(answer, photo, GIVEN | WRONG);
      const names = told.map((label) => {
        const kind = KINDS[answer.outcome(photo, label)];
        return make("span", { class: `name ${kind}` }, `${SIGNS[kind]}${study.labels[label]}`);
      });
      body.append(make("tr", {}, make("th", { scope: "row" }, row.title),
        make("td", { class: "text" }, ...(names.length ? names : ["no label"])),
        make("td", {}, String(answer.wrong[photo]))));
    });
    const head = ["row", "answer", "wrong"].map((text) => make("th", { scope: "col", class: text === "answer" ? "text" : "" }, text));
    return [make("div", { class: "scroll" }, make("table", { class: "rows" }, make("thead", {}, make("tr", {}, ...head)), body))];
  }
}
