// The page: what is asked for, written into the address, and the parts that show the answer.

const NOTHING_ASKED = { row: 0, label: ANY, outcomes: 0, from: 0, to: 1, other: -1, difference: "differ", find: "", check: "" };
const SORTS = {
  confidence: "confidence",
  probability: "probability",
  wrong: "number of wrong labels",
  difference: "difference between the rows",
  suspicion: "suspicion",
  number: "photo number",
};
const descendsFirst = (sort) => sort !== "number";

// Hand the reader a file.
function saveFile(text, name) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" })), download: name });
  link.click();
  // Later, because a browser may begin to read the file only after this script has ended.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

class Explorer {
  constructor(study) {
    this.study = study;
    study.marks = new Marks(study);
    this.images = new Images();
    this.asked = { ...NOTHING_ASKED, sort: study.rows.length ? "confidence" : "number", descending: study.rows.length > 0 };
    this.photos = [];
    this.filters = new Filters(document.getElementById("form"), study, this.asked, () => this.changed());
    this.view = new PhotoView(document.getElementById("photo"), study, this.images, this.asked, () => this.review.show());
    this.review = new Review(document.getElementById("review"), document.getElementById("who"), study.marks, () => this.check());
    this.grid = new Grid(document.getElementById("grid"), {
      tile: (photo) => this.tile(photo),
      describe: (photo) => this.describe(photo),
      open: (place) => this.view.open(this.photos, place),
    });
    this.view.dialog.addEventListener("close", () => this.closed());
    this.buildBar();
    addEventListener("hashchange", () => this.follow());
    this.read();
    this.update();
  }

  buildBar() {
    const { study, asked } = this;
    this.count = make("p", { id: "count", role: "status" });
    const sorts = Object.entries(SORTS).filter(([key]) =>
      key === "number" || (key === "suspicion" ? study.suspects.length : study.rows.length && (key !== "difference" || study.rows.length > 1)));
    this.sort = make("select", { id: "sort", onchange: (event) => {
      Object.assign(asked, { sort: event.target.value, descending: descendsFirst(event.target.value) });
      this.changed();
    } }, ...sorts.map(([key, text]) => option(key, text)));
    this.direction = make("button", { type: "button", id: "direction", onclick: () => {
      asked.descending = !asked.descending;
      this.changed();
    } });
    this.save = make("button", { type: "button", id: "export", onclick: () => this.export() }, "Export CSV");
    document.getElementById("bar").append(this.count,
      make("div", { class: "tools" }, make("label", {}, make("span", {}, "Sort by "), this.sort), this.direction, this.save));
  }

  changed() {
    this.write();
    this.update();
    // The first photos that fit, not those that happen to stand where the reader was.
    const section = document.getElementById("bar").parentElement;
    if (section.getBoundingClientRect().top < 0) section.scrollIntoView();
  }

  update() {
    const { study, asked } = this;
    const { photos, counts } = select(study, asked);
    this.photos = photos;
    this.filters.show(counts);
    this.count.textContent = `${photos.length.toLocaleString("en")} of ${study.size.toLocaleString("en")} photos`;
    this.sort.value = asked.sort;
    this.direction.replaceChildren(asked.descending ? "↓" : "↑", make("span", { class: "words" }, asked.descending ? " highest first" : " lowest first"));
    this.save.disabled = photos.length === 0;
    const active = Object.keys(NOTHING_ASKED).filter((key) => !["row", "difference"].includes(key) && asked[key] !== NOTHING_ASKED[key]);
    document.getElementById("active").textContent = active.length ? `(${active.length} set)` : "";
    const empty = document.getElementById("empty");
    empty.hidden = photos.length > 0;
    empty.textContent = study.size ? "No photo fits these filters." : "There are no photos in this part.";
    document.getElementById("grid").hidden = photos.length === 0;
    this.grid.show(photos);
  }

  // The first photo with a suspected label that is not marked yet, and after it the others by the arrow key.
  check() {
    Object.assign(this.asked, NOTHING_ASKED, { row: this.asked.row, check: "open", sort: "suspicion", descending: true });
    this.changed();
    if (this.photos.length) this.view.open(this.photos, 0);
  }

  // Tiles show the new marks, and photos that no longer fit are gone.
  closed() {
    const photo = this.view.photos[this.view.place];
    if (this.asked.check && this.view.touched) this.update();
    else this.grid.layout(true);
    this.view.touched = false;
    const place = this.photos.indexOf(photo);
    this.grid.focus(place < 0 ? this.view.place : place);
  }

  describe(photo) {
    const { study, asked } = this;
    const answer = study.answer(asked.row);
    const names = (outcomes) => study.labelsWith(answer, photo, outcomes).map((label) => study.labels[label]).join(", ") || "no label";
    const given = answer.row === null ? "" : `; given ${names(GIVEN)}; ${answer.wrong[photo]} wrong`;
    const suspected = study.suspectsOf(photo).map((label) => study.labels[label]);
    const told = suspected.length ? `; suspected ${suspected.join(", ")}` : "";
    const marked = study.marks.labelsOf(photo).length;
    return `${shortName(study, photo)}: annotated ${names(ANNOTATED)}${given}${told}${marked ? `; ${marked} marked` : ""}`;
  }

  // A photo, or without photos its highest probabilities; under it the number looked at, and what is wrong.
  tile(photo) {
    const { study, asked } = this;
    const answer = study.answer(asked.row);
    const wrong = answer.wrongOf(photo, asked.label) > 0;
    const picture = this.images.texts.length
      ? make("img", { src: this.images.source(photo), alt: "", draggable: false })
      : make("span", { class: "numbers" }, ...this.highest(photo));
    const frame = make("span", { class: `picture ${answer.row === null ? "" : wrong ? "wrong" : "right"}` }, picture, ...this.badge(photo));
    const name = make("span", { class: "name" }, shortName(study, photo));
    const line = make("span", { class: "line" }, name);
    const told = answer.row === null
      ? study.labelsWith(answer, photo, ANNOTATED)
      : study.labelsWith(answer, photo, WRONG);
    if (answer.row !== null) line.append(make("span", { class: "number" }, this.number(photo, answer)));
    const none = answer.row === null ? "no label" : "all right";
    const marks = told.flatMap((label) => {
      const kind = answer.row === null ? "tp" : KINDS[answer.outcome(photo, label)];
      return [make("span", { class: kind }, `${SIGNS[kind]}${study.labels[label]}`), " "];
    });
    return [frame, line, make("span", { class: "marks" }, ...(marks.length ? marks : [make("span", { class: "none" }, none)]))];
  }

  // How many suspected labels wait here; a tick where something was marked and none waits.
  badge(photo) {
    const { study } = this;
    const open = study.suspectsOf(photo).filter((label) => !study.marks.of(photo, label)).length;
    if (open) return [make("span", { class: "badge" }, `${open} ?`)];
    return study.marks.labelsOf(photo).length ? [make("span", { class: "badge done" }, "✓")] : [];
  }

  // What the photos are looked at for: the label's probability, or for all labels what they are sorted by.
  number(photo, answer) {
    const { study, asked } = this;
    const other = asked.other >= 0 && asked.other !== asked.row ? study.answer(asked.other) : null;
    const probability = (row) => shown(row.probability(photo, asked.label), row.row.thresholds[Math.max(0, asked.label)] ?? 0, 2);
    if (asked.label >= 0 && other) return `${probability(answer)} | ${probability(other)}`;
    if (asked.sort === "difference" && other) return `Δ ${answer.distance(other, photo, asked.label).toFixed(2)}`;
    if (asked.sort === "confidence" && asked.label < 0) {
      const confidence = answer.confidence(photo, asked.label, asked.outcomes || WRONG);
      return Number.isNaN(confidence) ? "" : confidence.toFixed(2);
    }
    return probability(answer);
  }

  highest(photo) {
    const { study, asked } = this;
    const answer = study.answer(asked.row);
    if (answer.row === null) return [];
    const places = study.labels.map((_, label) => label).sort((a, b) => answer.probability(photo, b) - answer.probability(photo, a));
    return places.slice(0, 5).map((label) => {
      const fill = make("span", { class: "fill" });
      fill.style.width = `${100 * answer.probability(photo, label)}%`;
      fill.style.background = study.colors[label];
      return make("span", { class: "small-bar" }, make("span", { class: "text" }, study.labels[label]), make("span", { class: "small-track" }, fill));
    });
  }

  export() {
    const { study, asked } = this;
    const rows = [asked.row, asked.other].filter((row, i, all) => row in study.rows && all.indexOf(row) === i);
    saveFile(toCSV(study, this.photos, rows), "photos.csv");
  }

  // ------------------------------------------------------------ the address

  write() {
    const { study, asked } = this;
    const words = new URLSearchParams();
    const name = (row) => study.rows[row]?.name;
    if (asked.row) words.set("row", name(asked.row));
    if (asked.label >= 0) words.set("label", study.labels[asked.label]);
    if (asked.label === UNLABELLED) words.set("unlabelled", "");
    if (asked.outcomes) words.set("outcome", Object.keys(OUTCOMES).filter((kind) => asked.outcomes & (1 << OUTCOMES[kind])).join(","));
    if (asked.from !== 0) words.set("from", asked.from);
    if (asked.to !== 1) words.set("to", asked.to);
    if (asked.other >= 0) words.set("against", name(asked.other));
    if (asked.other >= 0) words.set("where", asked.difference);
    if (asked.find) words.set("photo", asked.find);
    if (asked.check) words.set("check", asked.check);
    words.set("sort", asked.sort);
    words.set("order", asked.descending ? "falling" : "rising");
    try {
      history.replaceState(null, "", `#${words}`);
    } catch {
      // Some browsers forbid it to pages opened from disk; the page works without.
    }
  }

  // An address may be anything: what is not known is not asked for.
  read() {
    const { study, asked } = this;
    const words = new URLSearchParams(location.hash.slice(1));
    const row = (word, otherwise) => {
      const place = study.rows.findIndex((row) => row.name === words.get(word));
      return place < 0 ? otherwise : place;
    };
    const number = (word, otherwise) => {
      const value = parseFloat(words.get(word));
      return value >= 0 && value <= 1 ? value : otherwise;
    };
    const label = study.labels.indexOf(words.get("label") ?? "");
    const sort = [...this.sort.options].map((entry) => entry.value).find((value) => value === words.get("sort")) ?? this.sort.options[0].value;
    Object.assign(asked, {
      row: row("row", 0),
      label: label >= 0 && words.has("label") ? label : words.has("unlabelled") ? UNLABELLED : ANY,
      outcomes: (words.get("outcome") ?? "").split(",").reduce((bits, kind) => (kind in OUTCOMES ? bits | (1 << OUTCOMES[kind]) : bits), 0),
      from: number("from", 0),
      to: number("to", 1),
      other: row("against", -1),
      difference: Object.hasOwn(DIFFERENCES, words.get("where") ?? "") ? words.get("where") : "differ",
      find: words.get("photo") ?? "",
      check: this.filters.checks.includes(words.get("check")) ? words.get("check") : "",
      sort,
      descending: words.has("order") ? words.get("order") === "falling" : descendsFirst(sort),
    });
  }

  follow() {
    this.view.dialog.close();
    this.read();
    this.update();
  }
}

const data = JSON.parse(document.getElementById("study").textContent);
document.getElementById("about").textContent = data.about;
// On a narrow page the filters are closed at first; on a wide one they stand beside the photos and have no handle.
const narrow = matchMedia("(max-width: 60rem)");
const fold = () => (document.getElementById("filters").open = !narrow.matches);
narrow.addEventListener("change", fold);
fold();
const explorer = new Explorer(new Study(data));
// The photos stand behind this script, so that the numbers are shown while the photos are still being read.
addEventListener("DOMContentLoaded", () => {
  explorer.images.load(document.getElementById("photos"));
  explorer.grid.layout(true);
});
