// What the reader says of single annotations: kept by this browser where it can, and exported for `--corrections`.

const VERDICTS = { right: "r", wrong: "w", unsure: "u" }; // with the key that gives each
const CHECKS = {
  "": () => true,
  suspected: (study, photo) => study.suspectsOf(photo).length > 0,
  open: (study, photo) => study.suspectsOf(photo).some((label) => !study.marks.of(photo, label)),
  marked: (study, photo) => study.marks.labelsOf(photo).length > 0,
};

class Marks {
  constructor(study) {
    this.study = study;
    this.key = `tagging corrections ${study.identity}`;
    this.who = "";
    this.entries = new Map(); // "photo:label", both as places, to { verdict, when }
    this.kept = true;
    this.saved = true; // nothing would be lost with the page
    this.load();
    this.store();
  }

  of(photo, label) {
    return this.entries.get(`${photo}:${label}`)?.verdict ?? null;
  }

  labelsOf(photo) {
    return this.study.labels.map((_, label) => label).filter((label) => this.of(photo, label));
  }

  // The same verdict a second time takes it back.
  toggle(photo, label, verdict) {
    this.load(); // another tab may have added marks
    const place = `${photo}:${label}`;
    if (this.of(photo, label) === verdict) this.entries.delete(place);
    else this.entries.set(place, { verdict, when: `${new Date().toISOString().slice(0, 19)}Z` });
    this.store();
    if (!this.kept) this.saved = false;
    return this.of(photo, label);
  }

  get counts() {
    const counts = Object.fromEntries(Object.keys(VERDICTS).map((verdict) => [verdict, 0]));
    for (const { verdict } of this.entries.values()) counts[verdict]++;
    return counts;
  }

  get progress() {
    const { study, entries, counts } = this;
    const told = Object.entries(counts).map(([verdict, count]) => `${count} ${verdict}`).join(", ");
    const total = study.suspects.length;
    if (!total) return `${entries.size.toLocaleString("en")} labels marked: ${told}`;
    const done = study.suspects.filter(([photo, label]) => this.of(photo, label)).length;
    const more = entries.size - done;
    return `${done.toLocaleString("en")} of ${total.toLocaleString("en")} suspected labels marked` +
      `${more ? `, and ${more.toLocaleString("en")} more` : ""}: ${told}`;
  }

  // ------------------------------------------------------------ the browser's memory, which may refuse

  load() {
    let stored = null;
    try {
      stored = JSON.parse(localStorage.getItem(this.key) ?? "null");
    } catch {
      return; // refused, or not ours
    }
    if (!stored || typeof stored !== "object" || !this.kept) return;
    if (typeof stored.who === "string") this.who = stored.who;
    this.entries.clear();
    for (const [place, [verdict, when]] of Object.entries(stored.marks ?? {})) {
      const [photo, label] = place.split(":").map(Number);
      const known = photo in this.study.names && label in this.study.labels && Object.hasOwn(VERDICTS, verdict);
      if (known) this.entries.set(place, { verdict, when: String(when) });
    }
  }

  store() {
    const marks = Object.fromEntries([...this.entries].map(([place, { verdict, when }]) => [place, [verdict, when]]));
    try {
      localStorage.setItem(this.key, JSON.stringify({ who: this.who, marks }));
    } catch {
      this.kept = false;
    }
  }

  // One line for each mark, by photo and label: what is true, as `--corrections` reads it.
  toCSV() {
    const { study } = this;
    const lines = [["photo", "label", "value", "who", "when"]];
    const places = [...this.entries.keys()].map((place) => place.split(":").map(Number)).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    for (const [photo, label] of places) {
      const { verdict, when } = this.entries.get(`${photo}:${label}`);
      const given = study.truth[photo * study.width + label];
      const value = verdict === "unsure" ? verdict : verdict === "right" ? given : 1 - given;
      lines.push([study.names[photo], study.labels[label], value, this.who, when]);
    }
    return csv(lines);
  }
}

// How far the reader is, the way in, and the way out.
class Review {
  constructor(element, dialog, marks, start) {
    Object.assign(this, { element, dialog, marks });
    this.progress = make("p", { id: "progress" });
    this.start = make("button", { type: "button", id: "start", onclick: start }, "Check suspected labels");
    this.export = make("button", { type: "button", id: "export-marks", onclick: () => this.ask() }, "Export corrections.csv");
    this.notice = make("p", { id: "unkept", role: "status" });
    element.append(this.progress, make("div", { class: "tools" }, this.start, this.export), this.notice);
    this.name = make("input", { type: "text", name: "who", required: true, autocomplete: "name", autofocus: true, maxlength: "80" });
    dialog.append(make("form", { onsubmit: (event) => this.named(event) },
      make("h2", { id: "who-title" }, "Who marked these labels?"),
      make("p", {}, "Your name or initials go into the column who of every line. You are asked once."),
      field("Name", this.name),
      make("div", { class: "tools" }, make("button", { type: "submit" }, "Export"),
        make("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
    addEventListener("beforeunload", (event) => {
      if (!marks.saved) event.preventDefault();
    });
    this.show();
  }

  show() {
    const { marks } = this;
    const { suspects } = marks.study;
    this.progress.textContent = marks.progress;
    this.start.hidden = suspects.length === 0;
    this.start.disabled = suspects.every(([photo, label]) => marks.of(photo, label));
    this.export.disabled = marks.entries.size === 0;
    this.notice.textContent = marks.kept ? "" : "This browser keeps nothing for this page: export before you close it.";
  }

  ask() {
    if (this.marks.who) this.save();
    else this.dialog.showModal();
  }

  named(event) {
    event.preventDefault();
    this.marks.who = this.name.value.trim();
    if (!this.marks.who) return;
    this.marks.store();
    this.dialog.close();
    this.save();
  }

  save() {
    saveFile(this.marks.toCSV(), "corrections.csv");
    this.marks.saved = true;
  }
}
