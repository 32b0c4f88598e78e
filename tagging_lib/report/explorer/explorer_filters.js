// The controls: they write into `asked` what the reader wants, and say so.

const OUTCOME_NAMES = { tp: "True positives", fp: "False positives", fn: "False negatives", tn: "True negatives" };
const TRUTH_NAMES = { fn: "Annotated", tn: "Not annotated" }; // without a row that answers
const COMPARISONS = {
  differ: "they differ",
  better: "first has fewer wrong",
  worse: "second has fewer wrong",
  wrong: "both are wrong",
};
const CHECK_NAMES = {
  "": "all photos",
  suspected: "with suspected labels",
  open: "with suspected labels not marked",
  marked: "with marked labels",
};
const FILLED = { [ANY]: "photos with a label", [UNLABELLED]: "photos without a label" };
const BINS = 25;
const LABELS_AT_SIGHT = 24;

function option(value, text) {
  return make("option", { value: String(value) }, text);
}

function field(text, control) {
  return make("label", { class: "field" }, make("span", {}, text), control);
}

class Filters {
  constructor(form, study, asked, changed) {
    Object.assign(this, { form, study, asked, changed });
    form.addEventListener("submit", (event) => event.preventDefault());
    const row = this.select("row", study.rows.map((row, place) => option(place, row.title)), Number);
    const others = [option(-1, "no other row"), ...study.rows.map((row, place) => option(place, row.title))];
    const other = this.select("other", others, Number);
    const difference = this.select("difference", Object.entries(COMPARISONS).map(([key, text]) => option(key, text)), String);
    const find = make("input", { type: "search", name: "find", placeholder: "numbers, or part of a name", autocomplete: "off",
      oninput: (event) => this.set({ find: event.target.value }) });
    if (study.rows.length) form.append(field("Answers of", row));
    form.append(this.labels(), this.outcomes());
    if (study.rows.length) form.append(this.range());
    if (study.rows.length > 1) form.append(make("fieldset", {}, make("legend", {}, "Against"), other, difference));
    this.checks = study.suspects.length ? Object.keys(CHECK_NAMES) : ["", "marked"];
    const check = this.select("check", this.checks.map((key) => option(key, CHECK_NAMES[key])), String);
    form.append(field("Photo", find), field("Labels to check", check));
    form.append(make("button", { type: "button", class: "reset", onclick: () => this.set({ ...NOTHING_ASKED, row: asked.row }) }, "Clear filters"));
  }

  set(change) {
    Object.assign(this.asked, change);
    this.changed();
  }

  select(name, options, read) {
    return make("select", { name, "aria-label": name, onchange: (event) => this.set({ [name]: read(event.target.value) }) }, ...options);
  }

  labels() {
    const { study } = this;
    const list = make("div", { class: "labels" });
    const entry = (label, text, mark) => {
      const input = make("input", { type: "radio", name: "label", value: String(label), onchange: () => this.set({ label }) });
      return make("label", { title: text }, input, mark, make("span", { class: "text" }, text),
        make("span", { class: "count fp" }), make("span", { class: "count fn" }));
    };
    const plain = () => make("span", { class: "swatch none", "aria-hidden": "true" });
    list.append(entry(ANY, "any label", plain()), entry(UNLABELLED, "no label", plain()));
    study.labels.forEach((name, label) => list.append(entry(label, name, swatch(study, label))));
    const box = make("fieldset", {}, make("legend", {}, "Label"));
    if (study.width > LABELS_AT_SIGHT) {
      box.append(make("input", { type: "search", placeholder: "part of a label", "aria-label": "Show labels with", oninput: (event) => {
        const wanted = event.target.value.trim().toLowerCase();
        for (const line of list.children) line.hidden = !line.title.toLowerCase().includes(wanted);
      } }));
    }
    if (study.rows.length) {
      box.append(make("p", { class: "counts-head", "aria-hidden": "true" }, make("span", { class: "count fp" }, "false pos."), make("span", { class: "count fn" }, "false neg.")));
    }
    box.append(list);
    this.list = list;
    return box;
  }

  outcomes() {
    const names = this.study.rows.length ? OUTCOME_NAMES : TRUTH_NAMES;
    const toggles = Object.entries(names).map(([kind, text]) => {
      const bit = 1 << OUTCOMES[kind];
      const input = make("input", { type: "checkbox", name: "outcome", value: kind, onchange: (event) =>
        this.set({ outcomes: event.target.checked ? this.asked.outcomes | bit : this.asked.outcomes & ~bit }) });
      return make("label", { class: `toggle ${kind}` }, input, make("span", {}, text), make("span", { class: "count" }));
    });
    return make("fieldset", { class: "outcomes" }, make("legend", {}, "Outcome"), ...toggles);
  }

  range() {
    const bound = (name, text, empty) =>
      make("input", { type: "number", name, min: "0", max: "1", step: "any", placeholder: String(empty), "aria-label": text, oninput: (event) => {
        const value = event.target.valueAsNumber;
        this.set({ [name]: Number.isFinite(value) ? value : empty });
      } });
    this.histogram = make("div", { class: "histogram", "aria-hidden": "true" });
    for (let bin = 0; bin < BINS; bin++) this.histogram.append(make("span", {}, make("i", {}), make("b", {})));
    this.histogram.append(make("u", {}));
    this.rangeKey = make("p", { class: "key" });
    return make("fieldset", {}, make("legend", {}, "Probability"), this.histogram, this.rangeKey,
      make("div", { class: "bounds" }, bound("from", "Probability from", 0), make("span", {}, "to"), bound("to", "Probability to", 1)));
  }

  // Let the controls say what is asked for; `counts` are photos by outcome.
  show(counts) {
    const { form, study, asked } = this;
    for (const name of ["row", "other", "difference", "find", "check"]) {
      const control = form.elements[name];
      if (control && document.activeElement !== control) control.value = String(asked[name]);
    }
    for (const [name, empty] of [["from", 0], ["to", 1]]) {
      const control = form.elements[name];
      if (control && document.activeElement !== control) control.value = asked[name] === empty ? "" : String(asked[name]);
    }
    if (form.elements.difference) form.elements.difference.disabled = asked.other < 0 || asked.other === asked.row;
    for (const input of this.list.querySelectorAll("input")) input.checked = Number(input.value) === asked.label;
    for (const input of form.querySelectorAll("[name=outcome]")) {
      input.checked = Boolean(asked.outcomes & (1 << OUTCOMES[input.value]));
      input.parentElement.querySelector(".count").textContent = counts[OUTCOMES[input.value]].toLocaleString("en");
    }
    if (!study.rows.length) return;
    this.countErrors();
    this.drawHistogram();
  }

  countErrors() {
    const answer = this.study.answer(this.asked.row);
    if (this.counted === answer) return;
    this.counted = answer;
    for (const line of this.list.children) {
      const label = Number(line.querySelector("input").value);
      const counts = [0, 0, 0, 0];
      for (let photo = 0; photo < this.study.size; photo++) {
        const outcomes = answer.outcomesOf(photo, label);
        for (let outcome = 0; outcome < 4; outcome++) counts[outcome] += (outcomes >> outcome) & 1;
      }
      line.querySelector(".fp").textContent = counts[OUTCOMES.fp].toLocaleString("en");
      line.querySelector(".fn").textContent = counts[OUTCOMES.fn].toLocaleString("en");
    }
  }

  // All photos by probability, annotated ones in colour; heights are square roots, or the rare would not be seen.
  drawHistogram() {
    const { study, asked, histogram } = this;
    const answer = study.answer(asked.row);
    const positive = new Array(BINS).fill(0), negative = new Array(BINS).fill(0);
    for (let photo = 0; photo < study.size; photo++) {
      const bin = Math.min(BINS - 1, Math.floor(answer.probability(photo, asked.label) * BINS));
      const annotated = answer.outcomesOf(photo, asked.label === ANY ? UNLABELLED : asked.label) & ANNOTATED;
      // For any label: colour means that the photo carries one.
      (Boolean(annotated) !== (asked.label === ANY) ? positive : negative)[bin]++;
    }
    const most = Math.max(1, ...positive.map((count, bin) => count + negative[bin]));
    histogram.style.setProperty("--color", asked.label >= 0 ? study.colors[asked.label] : "var(--quiet)");
    for (let bin = 0; bin < BINS; bin++) {
      const bar = histogram.children[bin];
      const all = positive[bin] + negative[bin];
      const height = 100 * Math.sqrt(all / most);
      bar.firstChild.style.height = `${all ? (height * negative[bin]) / all : 0}%`;
      bar.lastChild.style.height = `${all ? (height * positive[bin]) / all : 0}%`;
      bar.className = (bin + 1) / BINS <= asked.from || bin / BINS > asked.to ? "outside" : "";
    }
    const thresholds = asked.label >= 0 ? [answer.row.thresholds[asked.label]] : [...new Set(answer.row.thresholds)];
    const line = histogram.lastChild;
    line.hidden = thresholds.length !== 1;
    line.style.left = `${100 * Math.min(1, Math.max(0, thresholds[0] ?? 0))}%`;
    const what = asked.label >= 0 ? `of “${study.labels[asked.label]}”` : "the highest of a photo";
    const threshold = thresholds.length === 1 ? `, threshold ${Number(thresholds[0].toPrecision(4))}` : "";
    this.rangeKey.textContent = `${what}${threshold}; filled: ${FILLED[asked.label] ?? "annotated"}`;
  }
}
