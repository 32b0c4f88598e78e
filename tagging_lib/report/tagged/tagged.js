// Photos with the labels that they are given at a threshold, which the reader moves.

class Tagged {
  constructor(data) {
    Object.assign(this, data);
    this.width = data.labels.length;
    this.size = data.names.length;
    this.values = decodeFloats(data.probabilities, "float32");
    this.top = data.names.map((_, photo) => Math.max(0, ...this.values.subarray(photo * this.width, (photo + 1) * this.width)));
    this.own = data.thresholds.map((value) => value ?? Infinity);
    this.common = null; // one threshold for all labels, as float32; without it each label has its own
  }

  threshold(label) {
    return this.common ?? this.own[label];
  }

  probability(photo, label) {
    return label < 0 ? this.top[photo] : this.values[photo * this.width + label];
  }

  given(photo, label) {
    return this.probability(photo, label) >= this.threshold(label);
  }

  labelsOf(photo) {
    return this.labels.map((_, label) => label).filter((label) => this.given(photo, label))
      .sort((a, b) => this.probability(photo, b) - this.probability(photo, a));
  }

  // How many photos are given each label, and how many none.
  counts() {
    const labels = new Array(this.width).fill(0);
    let none = 0;
    for (let photo = 0; photo < this.size; photo++) {
      let some = false;
      for (let label = 0; label < this.width; label++) {
        if (this.given(photo, label)) labels[label] += 1, (some = true);
      }
      if (!some) none += 1;
    }
    return { labels, none };
  }

  // Photos that are given the label (or none, or whatever), sorted by its probability, equal ones as they are listed.
  select({ label, find, descending }) {
    const wanted = find.trim().toLowerCase();
    const photos = [];
    for (let photo = 0; photo < this.size; photo++) {
      if (label >= 0 && !this.given(photo, label)) continue;
      if (label === UNLABELLED && this.labels.some((_, each) => this.given(photo, each))) continue;
      if (this.names[photo].toLowerCase().includes(wanted)) photos.push(photo);
    }
    const sign = descending ? -1 : 1;
    return photos.sort((a, b) => sign * (this.probability(a, label) - this.probability(b, label)) || a - b);
  }
}

class TaggedPage {
  constructor(tagged) {
    this.tagged = tagged;
    this.texts = [];
    this.asked = { label: ANY, find: "", descending: true };
    this.photos = [];
    this.place = 0;
    this.dialog = document.getElementById("photo");
    this.buildForm(document.getElementById("form"));
    this.buildBar(document.getElementById("bar"));
    this.grid = new Grid(document.getElementById("grid"), {
      tile: (photo) => this.tile(photo),
      describe: (photo) => `${this.name(photo)}: ${this.words(photo)}`,
      open: (place) => this.open(place),
    });
    this.dialog.addEventListener("close", () => this.grid.focus(this.place));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.open(this.place + step);
    });
    this.update();
  }

  buildForm(form) {
    const { tagged, asked } = this;
    const equal = tagged.own.every((value) => value === tagged.own[0]);
    this.slider = make("input", { type: "range", id: "threshold", min: "0.01", max: "1", step: "0.01",
      oninput: (event) => this.move(Math.fround(Number(event.target.value))) });
    this.slider.value = String(equal ? Math.min(1, tagged.own[0]) : 0.5);
    this.value = make("output", { id: "value", for: "threshold" });
    this.reset = make("button", { type: "button", id: "reset", onclick: () => this.move(null) }, "As tagged");
    const before = tagged.counts();
    const places = tagged.labels.map((_, label) => label).sort((a, b) => before.labels[b] - before.labels[a] || a - b);
    this.numbers = new Map();
    const choice = (label, name, color) => {
      const count = make("span", { class: "count" });
      this.numbers.set(label, count);
      const mark = make("span", { class: `swatch ${color ? "" : "none"}`, "aria-hidden": "true" });
      if (color) mark.style.background = color;
      const input = make("input", { type: "radio", name: "label", value: String(label), checked: label === asked.label,
        onchange: () => ((asked.label = label), this.update()) });
      return make("label", {}, input, mark, make("span", { class: "text", title: name }, name), count);
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.append(
      make("div", { class: "field" },
        make("span", { class: "over" }, make("label", { for: "threshold" }, "Threshold"), this.value), this.slider, this.reset),
      make("fieldset", {}, make("legend", {}, "Photos given"), make("div", { class: "labels" },
        choice(ANY, "all photos", ""), choice(UNLABELLED, "no label", ""),
        ...places.map((label) => choice(label, tagged.labels[label], tagged.colors[label])))),
      make("label", { class: "field" }, make("span", {}, "Part of the name"), make("input", { type: "search", id: "find",
        oninput: (event) => ((asked.find = event.target.value), this.update()) })));
  }

  buildBar(bar) {
    this.count = make("p", { id: "count", role: "status" });
    this.direction = make("button", { type: "button", id: "direction",
      onclick: () => ((this.asked.descending = !this.asked.descending), this.update()) });
    bar.append(this.count, make("div", { class: "tools" }, this.direction));
  }

  // To one threshold for all labels; back to each label's own for null.
  move(common) {
    const { tagged } = this;
    tagged.common = common;
    if (common === null) this.slider.value = String(Number.isFinite(tagged.own[0]) ? tagged.own[0] : 0.5);
    this.update();
  }

  update() {
    const { tagged, asked } = this;
    this.photos = tagged.select(asked);
    const { labels, none } = tagged.counts();
    for (const [label, element] of this.numbers) {
      const number = label === ANY ? tagged.size : label === UNLABELLED ? none : labels[label];
      const never = label >= 0 && tagged.threshold(label) === Infinity;
      element.textContent = never ? "never" : number.toLocaleString("en");
    }
    const equal = tagged.own.every((value) => value === tagged.own[0]);
    const common = tagged.common ?? (equal ? tagged.own[0] : null);
    const own = asked.label >= 0 && tagged.own[asked.label] < Infinity ? `${tagged.own[asked.label].toFixed(2)}, its own` : "each label's own";
    this.value.textContent = common === null ? own : common.toFixed(2);
    this.reset.disabled = tagged.common === null;
    this.count.textContent = `${this.photos.length.toLocaleString("en")} of ${tagged.size.toLocaleString("en")} photos`;
    this.direction.textContent = asked.descending ? "↓ surest first" : "↑ least sure first";
    const chosen = asked.label === ANY ? "" : asked.label === UNLABELLED ? "no label" : tagged.labels[asked.label];
    document.getElementById("active").textContent = [chosen, this.value.textContent].filter(Boolean).join(", ");
    document.getElementById("empty").hidden = this.photos.length > 0;
    document.getElementById("grid").hidden = this.photos.length === 0;
    this.grid.show(this.photos);
  }

  name(photo) {
    return this.tagged.names[photo].split("/").pop();
  }

  words(photo) {
    return this.tagged.labelsOf(photo).map((label) => this.tagged.labels[label]).join(", ") || "no label";
  }

  picture(photo, attributes) {
    const text = this.texts[photo];
    return text ? make("img", { src: `data:image/webp;base64,${text}`, ...attributes }) : make("span", { class: "gone" }, "no photo");
  }

  number(photo, label) {
    return shown(this.tagged.probability(photo, label), this.tagged.threshold(Math.max(0, label)), 2);
  }

  tile(photo) {
    const { tagged, asked } = this;
    const labels = tagged.labelsOf(photo);
    const probability = asked.label >= 0 ? this.number(photo, asked.label) : tagged.probability(photo, ANY).toFixed(2);
    const marks = labels.flatMap((label, place) => [place ? ", " : "", make("span", {}, tagged.labels[label])]);
    return [
      make("span", { class: "picture" }, this.picture(photo, { alt: "", draggable: false })),
      make("span", { class: "line" }, make("span", { class: "name", title: tagged.names[photo] }, this.name(photo)),
        make("span", { class: "number" }, probability)),
      make("span", { class: "marks" }, ...(marks.length ? marks : [make("span", { class: "none" }, "no label")])),
    ];
  }

  open(place) {
    if (place < 0 || place >= this.photos.length) return;
    const { tagged } = this;
    const photo = this.photos[(this.place = place)];
    const step = (by, text, label) => make("button", { type: "button", "aria-label": label, "data-step": String(by),
      disabled: !(place + by in this.photos), onclick: () => this.open(place + by) }, text);
    const head = make("header", {}, make("h2", { id: "photo-title" }, this.name(photo)),
      make("p", { role: "status" }, `${(place + 1).toLocaleString("en")} of ${this.photos.length.toLocaleString("en")}`),
      step(-1, "←", "Photo before"), step(1, "→", "Next photo"),
      make("button", { type: "button", class: "close", "aria-label": "Close", autofocus: true, onclick: () => this.dialog.close() }, "✕"));
    const labels = tagged.labels.map((_, label) => label).sort((a, b) => tagged.probability(photo, b) - tagged.probability(photo, a));
    const rows = labels.map((label) => {
      const fill = make("span", { class: "fill" });
      fill.style.width = `${100 * tagged.probability(photo, label)}%`;
      fill.style.background = tagged.colors[label];
      const track = make("span", {}, fill);
      if (tagged.threshold(label) <= 1) {
        const line = make("span", { class: "threshold" });
        line.style.left = `${100 * tagged.threshold(label)}%`;
        track.append(line);
      }
      return make("tr", { class: tagged.given(photo, label) ? "" : "quiet" }, make("th", { scope: "row", title: tagged.labels[label] },
        tagged.labels[label]), make("td", { class: "track" }, track), make("td", { class: "number" }, this.number(photo, label)));
    });
    const numbers = make("div", { class: "numbers" }, make("p", {}, make("b", {}, this.words(photo)),
      make("small", { class: "path" }, tagged.names[photo])), make("table", { class: "bars" }, make("tbody", {}, ...rows)));
    this.dialog.replaceChildren(make("div", { class: "box" }, head,
      make("div", { class: "parts" }, this.picture(photo, { alt: `Photo ${this.name(photo)}` }), numbers)));
    if (!this.dialog.open) this.dialog.showModal();
  }
}

const told = JSON.parse(document.getElementById("data").textContent);
document.getElementById("about").textContent = told.about;
const narrow = matchMedia("(max-width: 60rem)");
const fold = () => (document.getElementById("filters").open = !narrow.matches);
narrow.addEventListener("change", fold);
fold();
const page = new TaggedPage(new Tagged(told));
// The photos stand behind this script, so that the numbers are shown while the photos are still being read.
addEventListener("DOMContentLoaded", () => {
  page.texts = document.getElementById("photos").textContent.split("\n");
  page.grid.layout(true);
});
